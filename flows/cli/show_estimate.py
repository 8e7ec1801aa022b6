"""Work and output of ``rowmac estimate``."""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flows.boards import Board
from flows.cli.build_command import build_command, written
from flows.cli.machine_options import engine_of, given_machine, the_machine
from flows.cli.show_estimate_resources import resources
from flows.cli.show_estimate_timing import print_timing, timing
from flows.cli.table import table

if TYPE_CHECKING:
    from flows.estimate.cycles.found_network import Network
    from flows.estimate.cycles.mapped_program import MappedProgram
    from flows.machine.default import Chosen

__all__ = ["show"]


def show(options: argparse.Namespace) -> dict[str, Any]:
    """Estimate and print; returns the same as data."""
    given = given_machine(options, "arty-z7-20")  # told before a file is read
    board = given.board
    preset = engine_of(options.engine, given)
    if preset is not None:
        from flows.cli.show_estimate_macro import show_macro

        return show_macro(options, given, preset)
    network = None
    if options.network is None:
        chosen = the_machine(given)
    else:
        from flows.estimate.cycles.found_network import find_network

        network = find_network(options.network)
        chosen = the_machine(given, network.needs)
        network = network.on(chosen.spec)
    spec = chosen.spec
    clock = options.clock or given.clock_mhz
    result: dict[str, Any] = {
        "board": board.name,
        "machine": {k: v for k, v in asdict(spec).items() if k != "classes"}
        | {"classes": [*map(str, spec.classes)]},
        "macs_per_cycle": spec.macs_per_cycle,
        # Once it is held against a floor, a clock is no mere assumption.
        ("clock_mhz" if options.timing else "assumed_clock_mhz"): clock,
    }
    result["resources"] = resources(
        spec, board, synthesise=options.synthesise, vivado=options.vivado
    )
    if options.timing:
        result["timing"] = timing(spec, board)
    if network is not None:
        result["network"] = _network(network, chosen, board, clock, options, result["resources"])
    result["machine_file"] = written(options.write_machine, board, clock, spec)
    builds = network is not None and network.of_file and spec.axi_width == board.data_width
    result["build_command"] = (
        build_command(options.network, board, spec, result["machine_file"]) if builds else None
    )
    if not options.json:
        _print(result, board)
    return result


def _network(
    network: Network,
    chosen: Chosen,
    board: Board,
    clock: float,
    options: argparse.Namespace,
    cost: dict[str, Any],
) -> dict[str, Any]:
    """Cycles, rates, traffic and bounds."""
    from flows.estimate.cycles.cycle_points import stated_error
    from flows.estimate.cycles.cycles import BOUNDS
    from flows.estimate.cycles.machine_cycles import machine_cycles
    from flows.estimate.stale import stale_notes

    spec = chosen.spec
    memory = board.memory.named(options.memory, clock, spec.axi_bytes)
    most = spec.axi_bytes * memory.beats_per_cycle
    rate = most if options.bandwidth is None else min(most, options.bandwidth / clock)
    found = machine_cycles(network, spec, rate, memory)
    cycles = int(found.total[0])
    seconds = cycles / clock / 1e6
    gops = 2 * network.macs / seconds / 1e9
    macs = {layer.name: layer.macs for layer in network.layers}
    return {
        "name": network.name,
        "assumptions": [
            *([] if options.timing else [f"clock of {clock:g} MHz: no place-and-route was run"]),
            f"memory yields {rate * clock:,.0f} MB/s",
            f"memory {memory.text()}",
            *network.assumptions,
            *([f"plain rows, of nine bits: {chosen.reason}"] if chosen.reason else []),
            *stale_notes("cycles"),
        ],
        "chosen": [*map(str, chosen.changes)],
        "macs": network.macs,
        "cycles": cycles,
        "memory": memory.facts(),
        "frames_per_second": 1 / seconds,
        "gops": gops,
        "utilisation": network.macs / cycles / spec.macs_per_cycle,
        **_densities(gops, cost),
        "read_bytes": int(found.read_bytes.sum()),
        "written_bytes": int(found.written_bytes.sum()),
        **_apart(network.program),
        "error": stated_error(),
        "layers": [
            {
                "name": name,
                "cycles": int(found.cycles[0, index]),
                "busy": int(found.busy[0, index]),
                "bound": BOUNDS[found.bound[0, index]],
                "macs": macs.get(name, 0),
                "read_bytes": int(found.read_bytes[0, index]),
                "written_bytes": int(found.written_bytes[0, index]),
            }
            for index, name in enumerate(found.names)
            if found.cycles[0, index] or found.busy[0, index]
        ],
    }


def _apart(program: MappedProgram | None) -> dict[str, int]:
    """How many layers are made in strips and in parts, and the bytes that strips move."""
    if program is None:
        return {"layers_in_strips": 0, "layers_in_parts": 0, "strip_bytes": 0}
    return {
        "layers_in_strips": program.strips,
        "layers_in_parts": program.parts,
        "strip_bytes": program.memory_bytes,
    }


def _densities(gops: float, cost: dict[str, Any]) -> dict[str, float]:
    found = {"gops_per_klut": gops / cost["lut"]["estimate"] * 1000}
    if cost["dsp"]["estimate"]:
        found["gops_per_dsp"] = gops / cost["dsp"]["estimate"]
    return found


def _print(result: dict[str, Any], board: Board) -> None:
    print(f"Estimates for {board.title}: {result['macs_per_cycle']} MAC/cycle")
    _print_resources(result["resources"], board)
    if "timing" in result:
        print_timing(result["timing"], result["clock_mhz"])
    if "network" in result:
        _print_network(result)
    if result["machine_file"]:
        print(f"machine: {result['machine_file']}")
    if result["build_command"]:
        print(result["build_command"])


def _print_network(result: dict[str, Any]) -> None:
    from flows.estimate.cycles.cycle_points import error_text

    network = result["network"]
    error = network["error"]
    print()
    print(
        f"{network['name']}: {network['cycles']:,} cycles an image with the memory "
        f"{network['memory']['name']} (estimate; "
        f"{error_text(error)}; of {error['layers']:,} layers 95 % within "
        f"{100 * error['layer_p95']:.1f} %)"
    )
    print(
        f"  {network['frames_per_second']:,.1f} images a second and {network['gops']:,.1f} GOPS at "
        f"{_clock_text(result)}; "
        f"{100 * network['utilisation']:.1f} % of the array's MACs in use"
    )
    density = f"{network['gops_per_klut']:.2f} GOPS/kLUT"
    if "gops_per_dsp" in network:
        density += f", {network['gops_per_dsp']:.3f} GOPS/DSP"
    print(f"  {density} (achieved, of estimated resources)")
    print(
        f"  {network['read_bytes']:,} bytes read and {network['written_bytes']:,} written an image"
    )
    for line in network["chosen"]:
        print(f"  machine  {line}")
    for line in _apart_text(network):
        print(f"  {line}")
    for line in network["assumptions"]:
        print(f"  assumed: {line}")
    head = ("layer", "times", "cycles", "%", "bytes read", "bound by")
    print(table(head, _layer_rows(network)))


def _apart_text(network: dict[str, Any]) -> list[str]:
    strips, parts = network["layers_in_strips"], network["layers_in_parts"]
    lines = []
    if strips:
        lines.append(
            f"{strips} {'layer' if strips == 1 else 'layers'} in strips, whose tensors exceed the "
            f"scratchpad: {network['strip_bytes']:,} bytes of activations go through memory"
        )
    if parts:
        lines.append(
            f"{parts} {'layer' if parts == 1 else 'layers'} with K in parts, for which the "
            "weight rows are too short"
        )
    if lines:
        lines.append("the stated error is of layers made at once; theirs: docs/guides/estimate.md")
    return lines


def _clock_text(result: dict[str, Any]) -> str:
    if "timing" not in result:
        return f"an assumed {result['assumed_clock_mhz']:g} MHz"
    floor = result["timing"]["floor_mhz"]
    return f"{result['clock_mhz']:g} MHz (static floor {floor:.0f} MHz)"


def _layer_rows(network: dict[str, Any]) -> list[tuple[object, ...]]:
    """One row for layers of the same work whose names differ in the first number only."""
    groups: dict[object, list[dict[str, Any]]] = {}
    for one in network["layers"]:
        pattern = re.sub(r"\d+", "#", one["name"], count=1)
        groups.setdefault((pattern, one["busy"], one["macs"], one["bound"]), []).append(one)
    rows: list[tuple[object, ...]] = []
    for some in groups.values():
        cycles = sum(one["cycles"] for one in some)
        read = sum(one["read_bytes"] for one in some)
        share = 100 * cycles / network["cycles"]
        rows.append((some[0]["name"], len(some), cycles, share, read, some[0]["bound"]))
    return rows


def _stated(error: dict[str, Any]) -> dict[str, str]:
    stated = {
        name: f"{100 * error[f'{name}_median']:.1f} %, 95 %: {100 * error[f'{name}_p95']:.1f} %"
        for name in ("lut", "ff")
    }
    worst = {"dsp": error["dsp_max_error"], "bram36": error["bram_max_error"]}
    return stated | {name: f"at most {most}" if most else "none" for name, most in worst.items()}


def _print_resources(cost: dict[str, Any], board: Board) -> None:
    errors = _stated(cost["error"])
    names = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram36": "block RAM (36 Kb)"}
    against = f"error against Yosys by parts, {cost['error']['machines']} machines: median"
    head = ["", "estimate", f"% of {board.part}", against]
    rows: list[list[object]] = [
        [names[name], cost[name]["estimate"], 100 * cost[name]["share"], errors[name]]
        for name in names
    ]
    if "yosys" in cost:
        head += [f"Yosys {cost['yosys']['version']}", "error %"]
        for row, name in zip(rows, names, strict=True):
            one = cost[name]
            row += [one["synthesised"], 100 * one["error"]] if "synthesised" in one else ["", ""]
    if "vivado" in cost:
        head += [f"Vivado {cost['vivado']['version']}", "error %"]
        for row, name in zip(rows, names, strict=True):
            row += [cost[name]["vivado"], 100 * cost[name]["error_to_vivado"]]
    print(table(head, rows))
    for line in cost["notes"]:
        print(f"  note: {line}")
