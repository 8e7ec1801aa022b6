"""``rowmac simulate``: run images through the generated Verilog and compare every output."""

import argparse
from pathlib import Path
from typing import Any

from flows.cli.machine_options import add_memory_option
from flows.cli.numbers import count, whole
from flows.cli.paths import path
from flows.errors import UserError

__all__ = ["HELP", "add_arguments", "run"]

HELP = "run images through the generated Verilog; every output is compared bit for bit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Folder, images, how many."""
    parser.add_argument("folder", type=path, metavar="DIR", help="what rowmac build made")
    parser.add_argument(
        "--inputs",
        type=path,
        required=True,
        metavar="FILE.npz",
        help="images x [n, ...] as the network takes them; labels y [n] if known",
    )
    parser.add_argument(
        "--count", type=count, default=1, metavar="N", help="number of images (default 1)"
    )
    parser.add_argument(
        "--report", type=path, metavar="FILE.html", help="default: report.html in DIR"
    )
    add_memory_option(parser)
    debug = parser.add_argument_group("to find a fault")
    debug.add_argument(
        "--trace",
        action="store_true",
        help="compare every tensor of the network, and name the first that differs; the program "
        "is mapped anew with a store of each, so it takes more cycles",
    )
    debug.add_argument(
        "--waves",
        type=_waveform,
        metavar="FILE.vcd",
        help="write a waveform of the run, .vcd or .fst; its simulator is another one, and slower",
    )
    debug.add_argument(
        "--seed",
        type=_seed,
        metavar="N",
        help="let the memory stall at random, from this seed (default: it never stalls)",
    )


def _waveform(text: str) -> Path:
    if Path(text).suffix not in (".vcd", ".fst"):
        raise argparse.ArgumentTypeError(f"must be a file named .vcd or .fst, not {text!r}")
    return path(text)


def _seed(text: str) -> int:
    if whole(text) < 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of 0 or more, not {text!r}")
    return whole(text)


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Simulate; the result holds what was compared and measured."""
    from sim.verilator import Missing

    try:
        from flows.cli.show_simulate import show
    except Missing as error:
        raise UserError(str(error)) from None
    from flows.run.simulation import Debug

    debug = Debug(trace=options.trace, waves=options.waves, seed=options.seed)
    return show(
        options.folder,
        options.inputs,
        options.count,
        options.report,
        options.json,
        debug,
        options.memory,
    )
