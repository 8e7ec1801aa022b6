"""``rowmac build``: from a network to a folder with everything a board needs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from flows.boards import UnknownBoard, find
from flows.cli.machine_options import add_machine_options, given_options, option, the_machine
from flows.cli.numbers import whole
from flows.cli.paths import path
from flows.errors import UserError
from flows.work.files import refuse_device

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.machine.spec import MachineSpec

__all__ = ["HELP", "add_arguments", "run"]

HELP = "generate Verilog, project, program and memory image for a network on a board"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Network, board, output folder."""
    parser.add_argument("network", type=path, metavar="NETWORK", help="ONNX file in QDQ form")
    parser.add_argument("--board", required=True, help="name of a board (see rowmac boards)")
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
    try:
        board = find(options.board)
    except UnknownBoard as error:
        raise UserError(str(error)) from None
    from flows.out_folder.build import build
    from models.network.workloads import WORKLOADS

    if str(options.network) in WORKLOADS and not options.network.exists():
        raise UserError(
            f"network must be a file with weights, not the named workload {options.network} "
            "(which rowmac estimate takes)"
        )
    refuse_device(options.network)
    engine = _engine(options)
    reasons: list[str] = []

    def choose(refusal: Callable[[MachineSpec], str | None]) -> MachineSpec:
        chosen = the_machine(options, board, refusal)
        reasons.extend([chosen.reason] if chosen.reason else [])
        return chosen.spec

    if engine is None:
        the_machine(options, board)  # wrong options are told before a file is read
    manifest = build(options.network, board, options.output, choose, engine)
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
        for reason in reasons:
            print(f"  rows     plain, of nine bits: {reason.partition(';')[0]}")
        for name, share in program["row_use"].items():
            print(f"  rows     {name} in use {100 * share:.0f} % of their time")
        print(f"  bitstream, where Vivado is installed:  {manifest['bitstream_command']}")
    return manifest, 0


_MACRO_ONLY = {
    "calibration": None, "die": 0, "adc_bits": 0, "rule": "calibrated",
    "no_static": False, "no_noise": False, "recalibrate": False,
}  # fmt: skip
"""Options of a machine around a macro, and their defaults."""


def _engine(options: argparse.Namespace) -> Any:
    """Options of the macro; None for the digital array."""
    from flows.machine.around_macro import MacroOptions, macro_engine

    preset = macro_engine(options.engine)
    if preset is None:
        for name, plain in _MACRO_ONLY.items():
            if getattr(options, name) != plain:
                raise UserError(f"{option(name)} must come with --engine cim:PRESET")
        return None
    from flows.cim import RULES

    if given := given_options(options):
        raise UserError(f"{option(given[0])} must be of a machine with --engine digital")
    if options.calibration is None:
        raise UserError("--engine cim:PRESET must come with --calibration X.npz")
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
