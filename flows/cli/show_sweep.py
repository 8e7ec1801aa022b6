"""Work and output of ``rowmac sweep``."""

import argparse
import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flows.cli.progress import StageProgress
from flows.cli.table import table
from flows.errors import OutputError, UserError
from flows.estimate.stale import stale_notes
from flows.machine.machine_file import read_machine, write_machine
from flows.sweep.around_file import around_file, file_of
from flows.sweep.definition import Definition, point_key, read_definition
from flows.sweep.evaluate import ESTIMATE
from flows.sweep.figures import sound
from flows.sweep.measure import SIMULATION, SYNTHESIS
from flows.sweep.model_mark import model_mark, network_mark
from flows.sweep.point_machine import board_of
from flows.sweep.point_store import Store
from flows.sweep.policy_rows import ends_taken
from flows.sweep.sweep_run import fronts, sweep
from flows.sweep.sweep_workers import DaskWorkers, SweepWorkers, local_workers
from flows.sweep.tools import require_tools
from flows.work.atomic import check_place
from flows.work.workers import check_jobs

__all__ = ["show"]

_SHOWN, _REASONS = 12, 5
_NUMBER = re.compile(r"\d[\d,.]*")
_ASSUMED = (
    "clocks (the boards' defaults unless given): no place-and-route was run",
    "weight rows in the ratio of the machine's row classes, as rowmac quantise makes them",
)


def show(options: argparse.Namespace) -> dict[str, Any]:
    """Sweep, print the front, return it with the counts."""
    check_jobs(options.jobs)
    definition = read_definition(options.definition, options.set)
    if options.machine is not None:
        definition = around_file(definition, read_machine(options.machine))
    if options.write_machine is not None:
        _check_one(definition)
        check_place(options.write_machine)
    if options.scheduler is None:
        # Checked before anything runs; the workers of a cluster have their own programs.
        require_tools(synthesise=bool(options.synthesise), simulate=bool(options.simulate))
    workers: SweepWorkers = local_workers(options.jobs)
    if options.scheduler is not None:
        workers = DaskWorkers(options.scheduler)
    with workers:
        store = Store(options.output, model_mark())
        try:
            result = _swept(definition, store, workers, options)
        except BaseException:
            # The first error is reported, not one of closing.
            with suppress(UserError):
                store.close()
            raise
    ends = ends_taken(definition)
    stale = [*stale_notes("cycles"), *stale_notes("resources")]
    result["assumptions"] = [*_ASSUMED, *([] if ends is None else [ends]), *stale]
    result["store"] = str(options.output)
    result["machine_file"] = _written(options.write_machine, result)
    if not options.json:
        _print(result)
    try:
        store.close()
    except UserError as error:
        raise OutputError(str(error), result) from None
    if options.write_machine is not None and result["machine_file"] is None:
        raise OutputError(
            f"no machine to write to {options.write_machine}: no point with a network fits", result
        )
    return result


def _check_one(definition: Definition) -> None:
    """See that a sweep has one front: the fastest of several networks is not one machine."""
    fronts = {(point.get("network", ""), board_of(point).name) for point in definition}
    if len(fronts) > 1:
        raise UserError(
            f"--write-machine must be of one network on one board, not of {len(fronts):,} pairs"
        )


def _written(file: Path | None, result: dict[str, Any]) -> str | None:
    """Write the fastest machine of the front, if there is one and a file is asked for."""
    if file is None or not result["fronts"]:
        return None
    write_machine(file, file_of(result["fronts"][0]["points"][0]["point"]))
    return str(file)


def _swept(
    definition: Definition, store: Store, workers: SweepWorkers, options: argparse.Namespace
) -> dict[str, Any]:
    for network in sorted({str(point["network"]) for point in definition if "network" in point}):
        digest = network_mark(network)
        if digest is not None:
            store.claim(network, digest)
    with StageProgress(remaining=True) as progress:
        sweep(
            definition,
            store,
            workers,
            synthesise=options.synthesise,
            simulate=options.simulate,
            progress=progress.stage,
        )
    return _result(store, {point_key(point) for point in definition})


def _result(store: Store, keys: set[str]) -> dict[str, Any]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    errors: dict[str, int] = {}
    for outcome in store.outcomes():
        if outcome.point not in keys:
            continue
        if outcome.stage == ESTIMATE:
            outcome = sound(outcome)
        if outcome.value is None:
            errors[str(outcome.error)] = errors.get(str(outcome.error), 0) + 1
        else:
            found.setdefault(outcome.point, {})[outcome.stage] = outcome.value
    known = {key: found[key][ESTIMATE] for key in found if ESTIMATE in found[key]}
    fitting = [key for key, value in known.items() if "fps" in value and value.get("fits")]
    macros = [key for key, value in known.items() if "conversions" in value]
    return {
        "points": len(keys),
        "estimated": sum(ESTIMATE in stages for stages in found.values()),
        "synthesised": sum(SYNTHESIS in stages for stages in found.values()),
        "simulated": sum(SIMULATION in stages for stages in found.values()),
        "fitting": len(fitting),
        "errors": errors,
        "fronts": [
            {
                "network": network,
                "board": board,
                "points": [_one(key, known[key]) for key in mine],
            }
            for (network, board), mine in fronts(known, fitting)
        ],
        "macros": [_one(k, known[k]) for k in sorted(macros, key=lambda k: -known[k]["fps"])],
    }


def _one(key: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"point": json.loads(key), **value}


def _print(result: dict[str, Any]) -> None:
    print(
        f"{result['points']:,} points: {result['estimated']:,} estimated, {result['fitting']:,} of "
        f"them fit their device with a network{_around(result['macros'])}; "
        f"{result['synthesised']:,} synthesised, {result['simulated']:,} simulated"
    )
    for line in _refusals(result["errors"]):
        print(f"  {line}")
    for group in result["fronts"]:
        front = group["points"]
        print(
            f"\n{group['network']} on {group['board']}: Pareto front of {len(front):,} points, "
            f"most images a second first{_cut(front)}"
        )
        rows = [
            (
                f"{one['fps']:,.1f}", one["lut"], one["dsp"], one["bram36"],
                f"{100 * one['share']:.0f} % {one['fullest']}", point,
            )
            for one, point in _pointed(front, drop={"network"})
        ]  # fmt: skip
        print(table(("FPS", "LUT", "DSP", "BRAM36", "fullest", "point"), rows))
    if result["macros"]:
        _print_macros(result["macros"])
    for line in result["assumptions"]:
        print(f"assumed: {line}")
    if result["machine_file"]:
        print(f"machine: {result['machine_file']} (the first point)")
    print(f"store: {result['store']} (figures are estimates unless synthesised or simulated)")


def _refusals(errors: Mapping[str, int]) -> Iterator[str]:
    """The most frequent reasons; reasons that differ only in numbers count as one."""
    kinds: dict[str, dict[str, int]] = {}
    for text, count in errors.items():
        kinds.setdefault(_NUMBER.sub("#", text), {})[text] = count
    ranked = sorted(kinds.values(), key=lambda some: -sum(some.values()))
    for some in ranked[:_REASONS]:
        others = f" (and {len(some) - 1:,} others with other numbers)" if len(some) > 1 else ""
        yield f"{sum(some.values()):,} refused: {max(some, key=lambda t: some[t])}{others}"
    if rest := ranked[_REASONS:]:
        count = sum(sum(some.values()) for some in rest)
        yield f"{count:,} refused for {len(rest):,} other reasons"


def _around(macros: list[dict[str, Any]]) -> str:
    return f", {len(macros):,} are around macros" if macros else ""


def _print_macros(macros: list[dict[str, Any]]) -> None:
    print(
        f"\n{len(macros):,} points around macros, most images a second first (rates of the "
        f"emulation; cost is not modelled){_cut(macros)}"
    )
    rows = [
        (f"{one['fps']:,.1f}", one["cycles"], one["conversions"], one["columns"], point)
        for one, point in _pointed(macros, keep={"engine"})
    ]
    print(table(("FPS", "cycles", "conversions", "columns", "point"), rows))


def _cut(some: list[dict[str, Any]]) -> str:
    return f"; the first {_SHOWN}" if len(some) > _SHOWN else ""


def _pointed(
    some: list[dict[str, Any]], *, keep: Collection[str] = (), drop: Collection[str] = ()
) -> Iterator[tuple[dict[str, Any], str]]:
    """The first points, each with the parameters in which the points differ."""
    names = {k for one in some for k in one["point"]}.difference(drop)
    varied = {k for k in names if len({str(one["point"].get(k)) for one in some}) > 1}.union(keep)
    for one in some[:_SHOWN]:
        yield one, " ".join(f"{k}={v}" for k, v in one["point"].items() if k in varied)
