"""``rowmac search``: the highest precision whose machine meets a frame rate on a board."""

import argparse
from typing import Any

from flows.cli.machine_options import (
    add_condition_options,
    add_workload_option,
    add_write_option,
)
from flows.cli.numbers import count, rate, share

__all__ = ["HELP", "add_arguments", "run"]

HELP = "find the highest precision, and its machine, that meets a frame rate on a board"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Network, board, rate."""
    add_workload_option(
        parser, required=True, more="; only the layer shapes of a file, not its number formats"
    )
    parser.add_argument("--board", required=True, help="name of a board")
    parser.add_argument("--fps", type=rate, required=True, metavar="N", help="images a second")
    add_condition_options(parser)
    add_write_option(parser, "the first machine found", "-o")
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
