"""``rowmac simulate``: run images through the generated Verilog and compare every output."""

import argparse
from typing import Any

from flows.cli.numbers import count
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


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Simulate; the result holds what was compared and measured."""
    from sim.verilator import Missing

    try:
        from flows.cli.show_simulate import show
    except Missing as error:
        raise UserError(str(error)) from None
    return show(options.folder, options.inputs, options.count, options.report, options.json)
