"""``rowmac profile``: where the cycles and the bytes of one image go, layer by layer."""

import argparse
from typing import Any

from flows.cli.machine_options import add_memory_option
from flows.cli.numbers import amount
from flows.cli.paths import path
from flows.errors import UserError

__all__ = ["HELP", "add_arguments", "run"]

HELP = "simulate one image, and tell of each layer its time, waits, bytes and places"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Folder, image, trace."""
    parser.add_argument("folder", type=path, metavar="DIR", help="what rowmac build made")
    parser.add_argument(
        "--inputs",
        type=path,
        required=True,
        metavar="FILE.npz",
        help="images x [n, ...] as the network takes them; the first one is run",
    )
    parser.add_argument(
        "--trace",
        type=path,
        metavar="FILE.json",
        help="write a trace for Perfetto or chrome://tracing: what every unit did when",
    )
    parser.add_argument(
        "--seed",
        type=amount,
        metavar="N",
        help="let the memory stall at random, from this seed (default: it never stalls)",
    )
    add_memory_option(parser)


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Simulate and profile; the result holds all figures."""
    from sim.verilator import Missing

    try:
        from flows.cli.show_profile import show
        from flows.run.simulation import Debug
    except Missing as error:
        raise UserError(str(error)) from None
    debug = Debug(seed=options.seed)
    return show(options.folder, options.inputs, options.trace, debug, options.memory, options.json)
