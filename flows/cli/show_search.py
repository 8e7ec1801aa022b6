"""Work and output of ``rowmac search``."""

import argparse
import shlex
from dataclasses import asdict
from typing import Any

from flows.boards import Board, UnknownBoard, find
from flows.boards.board import DEVICE
from flows.cli.build_command import build_command, written
from flows.cli.machine_options import machine_text
from flows.cli.progress import StageProgress
from flows.cli.show_estimate_resources import resources
from flows.cli.table import table
from flows.errors import UserError
from flows.estimate.cycles.machine_layer import Work
from flows.search.find import Found, Goal, SearchResult, search
from flows.search.limits import by_bound, limits
from flows.search.precisions import Precision
from models.network.workloads import WORKLOADS

__all__ = ["command", "machine_data", "show"]


def show(options: argparse.Namespace) -> dict[str, Any]:
    """Search and print; returns the same as data."""
    from flows.estimate.cycles.found_network import find_network

    try:
        board = find(options.board)
    except UnknownBoard as error:
        raise UserError(str(error)) from None
    network = find_network(options.network)
    clock = options.clock or board.clock_mhz
    goal = Goal(
        network=network, board=board, fps=options.fps, clock_mhz=clock,
        fill=options.fill, bandwidth_mb_s=options.bandwidth,
    )  # fmt: skip
    with StageProgress() as progress:

        def tell(precision: Precision, done: int, total: int) -> None:
            progress.stage("searching precisions, best first", done, total)

        result = search(goal, top=options.top, progress=tell)
    data = _data(goal, result, options.network)
    data["machine_file"], data["build_command"] = None, None
    if result.machines:
        spec = result.machines[0].spec
        file = written(options.write_machine, board, clock, spec)
        data["machine_file"] = file
        if data["machines"][0]["build_command"]:
            data["build_command"] = build_command(options.network, board, spec, file)
    if not options.json:
        _print(goal, result, data)
    return data


def _data(goal: Goal, result: SearchResult, network: str) -> dict[str, Any]:
    from flows.estimate.cycles.cycle_points import stated_error, stated_search_error
    from flows.estimate.stale import stale_notes

    return {
        "network": goal.network.name,
        "board": goal.board.name,
        "fps": goal.fps,
        "assumed_clock_mhz": goal.clock_mhz,
        "fill": goal.fill,
        "met": bool(result.machines),
        "machines": [machine_data(goal, one, network) for one in result.machines],
        "fastest": machine_data(goal, result.fastest, network) if result.fastest else None,
        "limits": limits(goal, result),
        "fps_without_limit_of": result.without,
        "fps_without_limits": result.unlimited,
        "tried": [
            {
                "precision": one.precision.name,
                "machines": one.machines,
                "hold_the_network": one.holding,
                "fit": one.fitting,
                "fps": one.fps,
            }
            for one in result.tried
        ],
        "assumptions": [
            f"clock of {goal.clock_mhz:g} MHz: no place-and-route was run",
            _memory(goal),
            "order of precisions is a convention: no accuracy was measured",
            *_file_assumption(network),
            *goal.network.assumptions,
            *stale_notes("cycles"),
        ],
        "error": stated_error(),
        "error_of_found": stated_search_error(),
    }


def _memory(goal: Goal) -> str:
    bus = goal.board.data_width / 8 * goal.clock_mhz
    return f"memory yields {min(bus, goal.bandwidth_mb_s or bus):,.0f} MB/s"


def _file_assumption(network: str) -> list[str]:
    if network in WORKLOADS:
        return []
    return ["only the layer shapes of the file are used, not its number formats"]


def machine_data(goal: Goal, one: Found, network: str) -> dict[str, Any]:
    """A machine's estimates, and the command that shows more of them."""
    spec = one.spec
    refusal = goal.network.refusal(spec)
    cost = resources(spec, goal.board, synthesise=False)
    builds = goal.network.of_file and refusal is None
    numbers = {name: value for name, value in asdict(spec).items() if name != "classes"}
    return {
        "precision": one.name,
        "ratio": one.ratio,
        "machine": numbers | {"classes": [*map(str, spec.classes)]},
        "macs_per_cycle": spec.macs_per_cycle,
        "cycles": one.cycles,
        "fps": one.fps,
        "utilisation": goal.network.macs / one.cycles / spec.macs_per_cycle,
        "bounds": dict(by_bound(spec, goal, striped=one.striped)),
        "resources": {name: cost[name] for name in DEVICE},
        "notes": [
            *(["some layers are made in strips, or with K in parts"] if one.striped else []),
            *_held(goal, one),
            *_requantised(refusal),
            *([] if refusal else _as_it_is(goal, one, network)),
            *cost["notes"],
        ],
        "command": command(goal, one, None if refusal else network),
        # None for a workload, and where the file must be quantised first.
        "build_command": build_command(network, goal.board, spec) if builds else None,
    }


def _requantised(refusal: str | None) -> list[str]:
    """Note for a file whose number formats are not the machine's."""
    if refusal is None:
        return []
    return [f"the file must be quantised for this machine before it is built: {refusal}"]


def _held(goal: Goal, one: Found) -> list[str]:
    """Note for attention whose keys and values must be narrower than other activations."""
    first = one.spec.classes[0]
    attention = any(layer.work in (Work.SCORES, Work.CONTEXT) for layer in goal.network.layers)
    if not attention or first.book.bits >= one.spec.act_bits:
        return []
    return [f"keys and values of attention must be codes of {first.book.bits} bits"]


def _as_it_is(goal: Goal, one: Found, network: str) -> list[str]:
    """Note on the cycles of a file whose rows are not in the ratio of the machine's classes."""
    if not goal.network.of_file or len(one.spec.classes) < 2:
        return []
    from flows.estimate.cycles.found_network import find_network
    from flows.estimate.cycles.machine_cycles import machine_cycles

    mapped = find_network(network, one.spec)
    cycles = int(machine_cycles(mapped, one.spec, goal.bytes_per_cycle).total[0])
    if cycles == one.cycles:
        return []
    ratio = "its rows are not in the ratio of the row classes, as rowmac quantise makes them"
    return [f"the file as it is takes {cycles:,} cycles on this machine: {ratio}"]


def command(goal: Goal, one: Found, network: str | None) -> str:
    """The ``rowmac estimate`` command of a machine; without the network if it does not map."""
    bandwidth = f" --bandwidth {goal.bandwidth_mb_s:g}" if goal.bandwidth_mb_s else ""
    named = f"--network {shlex.quote(network)} " if network is not None else ""
    return (
        f"rowmac estimate --board {goal.board.name} {named}"
        f"--clock {goal.clock_mhz:g} {machine_text(one.spec)}{bandwidth}"
    )


def _print(goal: Goal, result: SearchResult, data: dict[str, Any]) -> None:
    from flows.estimate.cycles.cycle_points import error_text

    print(
        f"{goal.network.name} at {goal.fps:g} images a second on {goal.board.title}, "
        f"{100 * goal.fill:g} % of each resource at most"
    )
    head = ("precision", "machines", "that fit", "fastest, images/s")
    print(table(head, [(t.precision.name, t.machines, t.fitting, t.fps) for t in result.tried]))
    print()
    if result.machines:
        print(f"{result.machines[0].name} is the first that meets the rate (estimates):")
    else:
        print("No machine meets the rate:")
        for line in data["limits"]:
            print(f"  {line}")
        if result.fastest:
            print("The fastest that fits (estimates):")
    best = data["machines"][0]["build_command"] if data["machines"] else None
    shown = data["machines"] or ([data["fastest"]] if data["fastest"] else [])
    for one in shown:
        _print_machine(one, goal.board)
        # The first one's is the last line of all.
        if one["build_command"] and one["build_command"] is not best:
            print(f"    {one['build_command']}")
    error = data["error"]
    print(f"  error of cycles: {error_text(error)}")
    own = data["error_of_found"]
    print(
        f"    and within {100 * own['max']:.1f} % of {own['networks']} random networks simulated "
        "on machines that search found for them"
    )
    for line in data["assumptions"]:
        print(f"  assumed: {line}")
    if data["machine_file"]:
        print(f"machine: {data['machine_file']}")
    if data["build_command"]:
        print(data["build_command"])


def _print_machine(one: dict[str, Any], board: Board) -> None:
    print(
        f"  rows {','.join(one['machine']['classes'])}: {one['macs_per_cycle']:,} MAC/cycle, "
        f"{one['cycles']:,} cycles and {one['fps']:,.1f} images a second"
    )
    names = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram36": "block RAM"}
    used = (
        f"{one['resources'][n]['estimate']:,} {text} ({100 * one['resources'][n]['share']:.0f} %)"
        for n, text in names.items()
    )
    print(f"    {', '.join(used)}")
    bounds = (f"{100 * share:.0f} % {name}" for name, share in one["bounds"].items()
              if share >= 0.005)  # fmt: skip
    print(f"    cycles by bound: {', '.join(bounds)}")
    for line in one["notes"]:
        print(f"    note: {line}")
    print(f"    {one['command']}")
