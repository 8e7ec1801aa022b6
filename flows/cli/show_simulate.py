"""What ``rowmac simulate`` shows: progress while it runs, then tables and the report."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.cli.progress import SimulationProgress
from flows.cli.table import table
from flows.errors import OutputError, UserError
from flows.report import render
from flows.run.activity import LayerActivity, intervals, layer_activities
from flows.run.simulation import DEBUG, Comparison, Debug, Simulation, simulate
from flows.run.summary import incomplete, report_of
from flows.work.atomic import check_place, output_file
from models.machine.memory import NEAR

__all__ = ["show"]


def show(
    folder: Path,
    inputs: Path,
    count: int,
    report: Path | None,
    as_json: bool,
    debug: Debug = DEBUG,
    memory: str = NEAR.name,
) -> tuple[Any, int]:
    """Simulate, print, write the report; status 1 if any code that was compared differs.

    Raises
    ------
    UserError, RunError
        see :func:`flows.run.simulation.simulate`; also if the report could not be written, which is
        found out before anything is simulated.
    OutputError
        if the waveform or the report cannot be written after all.
    """
    page = report or folder / "report.html"
    if report is not None or folder.is_dir():
        check_place(page)
    if debug.waves is not None:
        check_place(debug.waves)
    with SimulationProgress(count) as progress:
        simulation = simulate(
            folder,
            inputs,
            count,
            debug=debug,
            memory=memory,
            on_progress=progress.stage,
            on_image=lambda index, image: progress.image(index, _line(image, memory)),
        )
    first = simulation.images[0].run
    mapped = simulation.built.mapped
    spans = intervals(first.events)
    layers = layer_activities(mapped.layers, spans, mapped.spec.macs_per_cycle)
    if not as_json:
        _print(simulation, layers)
    facts = _facts(simulation, layers)
    if simulation.waves_lost is not None:
        raise OutputError(simulation.waves_lost, facts)
    try:
        with output_file(page) as scratch:
            text = render(report_of(simulation, spans, layers))
            scratch.write_text(text, encoding="utf-8", errors="backslashreplace")
    except UserError as error:
        raise OutputError(str(error), facts) from None
    if not as_json:
        if debug.waves is not None:
            print(f"waveform: {debug.waves}")
        print(f"report: {page}")
    return {**facts, "report": str(page)}, int(simulation.mismatches > 0)


def _line(image: Comparison, memory: str) -> str:
    cycles = f"{image.run.cycles:,} cycles (memory {memory})"
    if image.difference is not None:
        return f"{image.difference.line()}; {cycles}"
    verdict = "all outputs equal" if image.equal else "OUTPUTS DIFFER"
    return f"{verdict}, {cycles}"


def _print(simulation: Simulation, layers: list[LayerActivity]) -> None:
    mega = simulation.built.board.clock_mhz * 1e6
    head = ("image", "label", "prediction", "all outputs equal", "cycles", "FPS")
    rows = [
        (
            number,
            "-" if image.label is None else str(image.label),
            str(image.prediction),
            image.equal,
            image.run.cycles,
            mega / image.run.cycles,
        )
        for number, image in enumerate(simulation.images)
    ]
    print(table(head, rows))
    print("\nLayers of the first image:\n")
    print(
        table(
            ("layer", "operator", "MAC", "matrix cycles", "vector cycles", "array busy", "MAC use"),
            [
                (
                    one.layer.name,
                    one.layer.kind,
                    one.layer.macs,
                    one.matrix_cycles,
                    one.vector_cycles,
                    _percent(one.array_busy),
                    _percent(one.utilisation),
                )
                for one in layers
            ],
        )
    )
    if lack := incomplete(simulation):
        print(f"\n{lack}")
    print("\nUnits of the first image:\n")
    run = simulation.images[0].run
    units = [
        (name, run.busy[name], run.stall[name], _percent(run.busy[name] / run.cycles))
        for name in run.busy
    ]
    print(table(("unit", "busy cycles", "stalled of these", "busy"), units))
    print(f"\n{len(simulation.images)} images, {simulation.mismatches} with outputs that differ")
    print(
        f"{simulation.cycles_per_image:,.0f} cycles per image with the memory "
        f"{simulation.memory.text()}"
    )
    print(
        f"{simulation.frames_per_second:,.1f} images a second at "
        f"{simulation.built.board.clock_mhz:g} MHz (assumed: no place and route was done), "
        f"MAC utilisation {_percent(simulation.utilisation)}"
    )
    seed = simulation.debug.seed
    memory = "" if seed is None else f", memory stalling at random from seed {seed}"
    print(f"simulated at {simulation.cycles_per_cpu_second:,.0f} cycles per CPU second{memory}")
    if simulation.debug.trace:
        _print_trace(simulation)


def _print_trace(simulation: Simulation) -> None:
    count = len(simulation.built.mapped.trace)
    found = [image.difference for image in simulation.images if image.difference is not None]
    for difference in found:
        print(difference.line())
    if not found:
        print(
            f"all {count} tensors of every image equal those of the golden machine and of the "
            "integer graph; cycles are those of a program that also stores each"
        )


def _facts(simulation: Simulation, layers: list[LayerActivity]) -> dict[str, Any]:
    return {
        "images": [
            {
                "label": image.label,
                "prediction": image.prediction,
                "equal": image.equal,
                "codes_other_than_integer_graph": image.graph_differs,
                "codes_other_than_golden_machine": image.machine_differs,
                "cycles": image.run.cycles,
                **({"first_difference": _difference(image)} if simulation.debug.trace else {}),
            }
            for image in simulation.images
        ],
        "mismatches": simulation.mismatches,
        "cycles_per_image": simulation.cycles_per_image,
        "memory": simulation.memory.facts(),
        "frames_per_second": simulation.frames_per_second,
        "mac_utilisation": simulation.utilisation,
        "layers": [
            {
                "name": one.layer.name,
                "operator": one.layer.kind,
                "macs": one.layer.macs,
                "matrix_cycles": one.matrix_cycles,
                "vector_cycles": one.vector_cycles,
                "array_busy": one.array_busy,
                "mac_utilisation": one.utilisation,
            }
            for one in layers
        ],
        "units": {
            name: {"busy": cycles, "stall": simulation.images[0].run.stall[name]}
            for name, cycles in simulation.images[0].run.busy.items()
        },
        "events_lost": simulation.images[0].events_lost,
        "cycles_per_cpu_second": simulation.cycles_per_cpu_second,
        "seed": simulation.debug.seed,
        "waves": None if simulation.debug.waves is None else str(simulation.debug.waves),
        "tensors_compared": len(simulation.built.mapped.trace) if simulation.debug.trace else None,
        "report": None,
    }


def _difference(image: Comparison) -> dict[str, Any] | None:
    return None if image.difference is None else asdict(image.difference)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
