"""What ``rowmac profile`` shows: three tables of the layers, the totals, and the trace's file."""

import json
from pathlib import Path
from typing import Any

from flows.cli.progress import SimulationProgress
from flows.cli.table import table
from flows.errors import OutputError, RunError, UserError
from flows.run.perfetto import trace_of
from flows.run.profile import LayerProfile, Profile, Where, profile
from flows.run.simulation import Debug, Simulation, simulate
from flows.run.waits import Cause
from flows.work.atomic import check_place, output_file
from models.machine.units import UNIT_NAMES

__all__ = ["show"]


def show(
    folder: Path, inputs: Path, trace: Path | None, debug: Debug, memory: str, as_json: bool
) -> tuple[Any, int]:
    """Simulate, print, write the trace; status 1 if an output code differs.

    Raises
    ------
    UserError, RunError
        see :func:`flows.run.simulation.simulate`; also if the trace could not be written, which is
        found out before anything is simulated.
    RunError
        if the log of the units' events is not complete.
    OutputError
        if the trace cannot be written after all.
    """
    if trace is not None:
        check_place(trace)
    with SimulationProgress(1) as progress:
        simulation = simulate(
            folder, inputs, 1, debug=debug, memory=memory, on_progress=progress.stage
        )
    (image,) = simulation.images
    if image.events_lost:
        raise RunError(
            f"the log of what the units did must hold all events of the run, not lack "
            f"{image.events_lost:,} of them: profile a smaller network, or its parts"
        )
    made = profile(simulation.built.mapped, image.run)
    if not as_json:
        _print(made, simulation)
    facts = _facts(made, simulation)
    if trace is not None:
        title, clock = _title(simulation), simulation.built.board.clock_mhz
        try:
            with output_file(trace) as scratch:
                scratch.write_text(json.dumps(trace_of(made, title, clock)))
        except UserError as error:
            raise OutputError(str(error), facts) from None
        if not as_json:
            print(f"trace, 1 us for 1 cycle: {trace}")
    return {**facts, "trace": trace and str(trace)}, int(not image.equal)


def _title(simulation: Simulation) -> str:
    return f"{simulation.built.manifest['network']['name']} on {simulation.built.board.title}"


def _print(made: Profile, simulation: Simulation) -> None:
    print("Time: an added cycle is one by which the end of the run came later for the layer.\n")
    print(table(("layer", "operator", "MAC", "start", "stop", "added", "share", "MAC use"),
                [*_times(made), *_ends(made)]))  # fmt: skip
    causes = [cause for cause in Cause if any(cause in one.time.waits for one in made.layers)]
    print("\nWaits: cycles from start to stop in which the unit did not work, by cause.\n")
    print(table(("layer", "unit", "cycles", "work", *map(_head, causes)),
                [_waits(one, causes) for one in made.layers]))  # fmt: skip
    print("\nBytes on the memory bus, and where tensors lay.\n")
    print(table(("layer", "weights", "parameters", "tensors", "written", "reads from", "writes to"),
                [*(_bytes(one) for one in made.layers), _all_bytes(made)]))  # fmt: skip
    clock = simulation.built.board.clock_mhz
    (image,) = simulation.images
    print(
        f"\n{made.cycles:,} cycles with the memory {simulation.memory.name}, "
        f"{1e6 * clock / made.cycles:,.1f} images a second at {clock:g} MHz (assumed: no place "
        f"and route was done), {made.macs:,} MAC, MAC utilisation "
        f"{_percent(made.utilisation)}"
    )
    print(
        f"{made.moved.read + made.fetched:,} bytes read, {made.fetched:,} of them descriptors; "
        f"{made.moved.written:,} written; outputs "
        f"{'equal' if image.equal else 'DIFFER'}"
    )


def _times(made: Profile) -> list[tuple[object, ...]]:
    return [
        (one.layer.name, one.layer.kind, one.layer.macs, one.time.start, one.time.stop, one.added,
         _percent(one.added / made.cycles), _percent(one.activity.utilisation))
        for one in made.layers
    ]  # fmt: skip


def _ends(made: Profile) -> list[tuple[object, ...]]:
    none = ("(no layer)", "-", 0, 0, made.cycles, made.outside)
    total = ("(all)", "-", made.macs, 0, made.cycles, made.cycles)
    return [
        (*none, _percent(made.outside / made.cycles), "-"),
        (*total, _percent(1.0), _percent(made.utilisation)),
    ]


def _waits(one: LayerProfile, causes: list[Cause]) -> tuple[object, ...]:
    time = one.time
    return (
        one.layer.name, UNIT_NAMES[time.lead], time.stop - time.start, time.work,
        *(time.waits.get(cause, 0) for cause in causes),
    )  # fmt: skip


def _head(cause: Cause) -> str:
    return f"{cause.value} <=" if cause is Cause.FEED else cause.value


def _bytes(one: LayerProfile) -> tuple[object, ...]:
    own = one.moved
    reads = ", ".join(dict.fromkeys(map(str, one.reads))) or "-"
    writes = "-" if one.makes is None else str(one.makes)
    return (
        one.layer.name, own.weights, own.parameters, own.tensors, own.written, reads, writes,
    )  # fmt: skip


def _all_bytes(made: Profile) -> tuple[object, ...]:
    own = made.moved
    return ("(all)", own.weights, own.parameters, own.tensors, own.written, "-", "-")


def _facts(made: Profile, simulation: Simulation) -> dict[str, Any]:
    (image,) = simulation.images
    clock = simulation.built.board.clock_mhz
    own = made.moved
    return {
        "cycles": made.cycles,
        "clock_mhz": clock,
        "frames_per_second": 1e6 * clock / made.cycles,
        "macs": made.macs,
        "mac_utilisation": made.utilisation,
        "cycles_of_no_layer": made.outside,
        "bytes": {
            "weights": own.weights,
            "parameters": own.parameters,
            "tensors": own.tensors,
            "descriptors": made.fetched,
            "written": own.written,
        },
        "layers": [_layer(one, made) for one in made.layers],
        "equal": image.equal,
        "prediction": image.prediction,
        "label": image.label,
        "seed": simulation.debug.seed,
        "memory": simulation.memory.facts(),
        "trace": None,
    }


def _layer(one: LayerProfile, made: Profile) -> dict[str, Any]:
    return {
        "name": one.layer.name,
        "operator": one.layer.kind,
        "macs": one.layer.macs,
        "start": one.time.start,
        "stop": one.time.stop,
        "added": one.added,
        "share": one.added / made.cycles,
        "unit": UNIT_NAMES[one.time.lead],
        "work": one.time.work,
        "waits": {cause.value: one.time.waits.get(cause, 0) for cause in Cause},
        "matrix_cycles": one.activity.matrix_cycles,
        "vector_cycles": one.activity.vector_cycles,
        "array_busy": one.activity.array_busy,
        "mac_utilisation": one.activity.utilisation,
        "bytes": {
            "weights": one.moved.weights,
            "parameters": one.moved.parameters,
            "tensors": one.moved.tensors,
            "written": one.moved.written,
        },
        "reads": [_place(where) for where in one.reads],
        "makes": one.makes and _place(one.makes),
    }


def _place(where: Where) -> dict[str, Any]:
    return {"tensor": where.name, "place": where.place, "strips": where.strips}


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
