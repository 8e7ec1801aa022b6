"""``rowmac search``: the highest precision whose machine meets a frame rate on a board."""

import argparse
from typing import Any

from flows.cli.numbers import count, rate, share
from flows.cli.paths import path

__all__ = ["HELP", "add_arguments", "run"]

HELP = "find the highest precision, and its machine, that meets a frame rate on a board"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Network, board, rate."""
    parser.add_argument(
        "--network",
        type=lambda text: str(path(text)),
        required=True,
        metavar="FILE|NAME",
        help="ONNX file in QDQ form, or a named workload such as deit-base; only the layer shapes "
        "of a file are used, not its number formats",
    )
    parser.add_argument("--board", required=True, help="name of a board")
    parser.add_argument("--fps", type=rate, required=True, metavar="N", help="images a second")
    parser.add_argument(
        "--clock", type=rate, metavar="MHZ", help="assumed clock (default: the board's)"
    )
    parser.add_argument(
        "--bandwidth",
        type=rate,
        metavar="MB/S",
        help="memory bandwidth (default: what the bus takes at that clock)",
    )
    parser.add_argument(
        "--fill",
        type=share,
        default=0.9,
        metavar="SHARE",
        help="largest share of each resource of the device (default 0.9)",
    )
    parser.add_argument(
        "--top", type=count, default=1, metavar="N", help="number of machines to show (default 1)"
    )


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Search; status 1 if no machine meets the rate."""
    from flows.cli.show_search import show

    result = show(options)
    return result, 0 if result["met"] else 1
