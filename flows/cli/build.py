"""``rowmac build``: from a network to a folder with everything a board needs."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flows.cli.machine_options import (
    Given,
    add_machine_options,
    engine_of,
    given_machine,
    option,
    the_machine,
)
from flows.cli.numbers import whole
from flows.cli.paths import path
from flows.errors import UserError
from flows.work.files import refuse_device

if TYPE_CHECKING:
    from flows.machine.default import Chosen
    from flows.machine.needs import Needs
    from models.machine.spec import MachineSpec

__all__ = ["HELP", "add_arguments", "run"]

HELP = "generate Verilog, project, program and memory image for a network on a board"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Network, board, output folder."""
    parser.add_argument("network", type=path, metavar="NETWORK", help="ONNX file in QDQ form")
    parser.add_argument(
        "--board", help="name of a board (see rowmac boards; default: the machine file's)"
    )
    parser.add_argument(
        "--engine",
        default="digital",
        metavar="ENGINE",
        help="digital (default), or cim:PRESET for a computing-in-memory macro (see docs/systems)",
    )
    add_machine_options(parser)
    macro = parser.add_argument_group("with a macro")
    macro.add_argument(
        "--calibration", type=path, metavar="X.npz", help="images x that ADC steps are chosen on"
    )
    macro.add_argument("--die", type=whole, default=0, metavar="N", help="seed (default 0)")
    macro.add_argument(
        "--adc-bits", type=whole, default=0, metavar="BITS", help="default: preset's"
    )
    macro.add_argument(
        "--rule", default="calibrated", help="full, unit, calibrated (default) or snr"
    )
    for name, text in (
        ("--no-static", "a die without static errors"),
        ("--no-noise", "conversions without noise"),
        ("--recalibrate", "fit gain and bias of every output to the die"),
    ):
        macro.add_argument(name, action="store_true", help=text)
    parser.add_argument(
        "-o",
        "--output",
        type=path,
        required=True,
        metavar="DIR",
        help="folder to write; one that rowmac made is replaced",
    )


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Build; the result is the manifest."""
    given = given_machine(options)  # wrong options are told before a file is read
    board = replace(given.board, clock_mhz=given.clock_mhz)
    from flows.out_folder.build import build
    from models.network.workloads import WORKLOADS

    if str(options.network) in WORKLOADS and not options.network.exists():
        raise UserError(
            f"network must be a file with weights, not the named workload {options.network} "
            "(which rowmac estimate takes)"
        )
    refuse_device(options.network)
    engine = _engine(options, given)
    found: list[Chosen] = []

    def choose(needs: Needs) -> MachineSpec:
        found.append(the_machine(given, needs))
        return found[0].spec

    of_file = given.file is not None and engine is not None
    machine = the_machine(given).spec if of_file else choose
    manifest = build(options.network, board, options.output, machine, engine)
    if not options.json:
        machine, program = manifest["machine"], manifest["program"]
        print(f"{options.output}: {manifest['network']['name']} on {board.title}")
        print(
            f"  machine  {machine['macs_per_cycle']} MAC/cycle at {board.clock_mhz:g} MHz, "
            f"scratchpad {machine['scratchpad_bytes']:,} bytes"
        )
        print(
            f"  program  {program['descriptors']:,} descriptors, "
            f"memory image {program['image_bytes']:,} bytes"
        )
        for chosen in found:
            for change in chosen.changes:
                print(f"  machine  {change}")
            if chosen.reason:
                print(f"  rows     plain, of nine bits: {chosen.reason.partition(';')[0]}")
        for name, share in program["row_use"].items():
            print(f"  rows     {name} in use {100 * share:.0f} % of their time")
        print(f"  bitstream, where Vivado is installed:  {manifest['bitstream_command']}")
    return manifest, 0


_MACRO_ONLY = {
    "calibration": None, "die": 0, "adc_bits": 0, "rule": "calibrated",
    "no_static": False, "no_noise": False, "recalibrate": False,
}  # fmt: skip
"""Options of a machine around a macro, and their defaults."""


_OF_A_FILE = ("die", "adc_bits", "no_static", "no_noise")
"""Those that a machine file says."""


def _named(given: Given) -> str:
    return "--engine cim:PRESET" if given.file is None else "a machine with a macro"


def _engine(options: argparse.Namespace, given: Given) -> Any:
    """Options of the macro; None for the digital array."""
    from flows.machine.around_macro import MacroOptions

    preset = engine_of(options.engine, given)
    if preset is None:
        for name, plain in _MACRO_ONLY.items():
            if getattr(options, name) != plain:
                raise UserError(f"{option(name)} must come with --engine cim:PRESET")
        return None
    from flows.cim import RULES

    for name in _OF_A_FILE if given.file is not None else ():
        if getattr(options, name) != _MACRO_ONLY[name]:
            raise UserError(f"{option(name)} must come with --engine cim:PRESET, not --machine")
    if given.file is None and given.options:
        raise UserError(f"{option(given.options[0])} must be of a machine with --engine digital")
    if options.calibration is None:
        raise UserError(f"{_named(given)} must come with --calibration X.npz")
    if options.rule not in RULES:
        raise UserError(f"--rule must be one of {', '.join(RULES)}, not {options.rule!r}")
    return MacroOptions(
        preset=preset,
        calibration=options.calibration,
        adc_bits=options.adc_bits,
        die=options.die,
        rule=options.rule,
        static=not options.no_static,
        dynamic=not options.no_noise,
        recalibrate=options.recalibrate,
    )
