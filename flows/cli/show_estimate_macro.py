"""Output of ``rowmac estimate`` for a machine around a macro: cycles, without resources."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.cli.build_command import written
from flows.cli.machine_options import Given, the_machine
from flows.cli.table import table
from flows.errors import UserError
from flows.estimate.cycles.macro_estimate import estimate_macro
from flows.estimate.stale import stale_notes
from models.machine.memory import NEAR

__all__ = ["show_macro"]


def show_macro(options: argparse.Namespace, machine: Given, preset: str) -> dict[str, Any]:
    """Estimate and print; returns the same as data.

    Raises
    ------
    UserError
        If the network is no file, there is no such machine, or an option is given that only
        digital machines have.
    """
    board = machine.board
    spec = None if machine.file is None else the_machine(machine).spec
    given = machine.options if spec is None else ["adc_bits"] * bool(options.adc_bits)
    given += [n for n in ("synthesise", "timing", "vivado", "bandwidth") if getattr(options, n)]
    given += ["memory"] * (options.memory != NEAR.name)
    if given:
        name = given[0].replace("_", "-")
        raise UserError(f"--{name} must be of a machine with --engine digital")
    if options.network is None or not str(options.network).endswith(".onnx"):
        raise UserError("--engine cim:PRESET must come with --network FILE.onnx")
    found = estimate_macro(Path(options.network), board, preset, options.adc_bits, spec)
    clock = options.clock or machine.clock_mhz
    result: dict[str, Any] = {
        "board": board.name,
        "macro": asdict(found.macro),
        "macs_per_cycle": found.spec.macs_per_cycle,
        "assumed_clock_mhz": clock,
        "network": {
            "name": Path(options.network).stem,
            "macs": found.macs,
            "cycles": found.cycles,
            "memory": NEAR.facts(),
            "frames_per_second": found.fps(clock),
            "gops": found.gops(clock),
            "conversions": found.conversions,
            "assumptions": stale_notes("cycles"),
            "layers": [asdict(one) for one in found.layers],
        },
    }
    result["machine_file"] = written(options.write_machine, board, clock, found.spec)
    if not options.json:
        _print(result)
    return result


def _print(result: dict[str, Any]) -> None:
    network, macro = result["network"], result["macro"]
    print(
        f"{network['name']} on {macro['columns']} columns of {macro['preset']}: "
        f"{network['cycles']:,} cycles an image with the memory "
        f"{network['memory']['name']} (estimate: docs/guides/estimate.md)"
    )
    print(
        f"  {network['frames_per_second']:,.1f} images a second and {network['gops']:,.1f} GOPS of "
        f"the emulation at an assumed {result['assumed_clock_mhz']:g} MHz: no place-and-route was "
        "run, and a macro of silicon has a speed of its own"
    )
    print(f"  {network['conversions']:,} conversions an image; LUTs of the twin are not modelled")
    for line in network["assumptions"]:
        print(f"  assumed: {line}")
    rows = [(o["name"], o["cycles"], o["conversions"], o["bound"]) for o in network["layers"]]
    print(table(("layer", "cycles", "conversions a column", "bound by"), rows))
    if result["machine_file"]:
        print(f"machine: {result['machine_file']}")
