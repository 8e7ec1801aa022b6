"""``rowmac report``: a sweep as one page and one table."""

import argparse
from typing import Any

from flows.cli.machine_options import add_write_option
from flows.cli.numbers import rate
from flows.cli.paths import path

__all__ = ["HELP", "add_arguments", "run"]

HELP = "a sweep's Pareto fronts and points as one HTML page, and as CSV"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Store, outputs, choice of points."""
    parser.add_argument("store", type=path, metavar="STORE", help="store of rowmac sweep")
    parser.add_argument(
        "-o", "--output", type=path, required=True, metavar="FILE", help="page to write (HTML)"
    )
    parser.add_argument(
        "--csv", type=path, metavar="FILE", help="also write every point as a table"
    )
    add_write_option(parser, "the chosen machine of one network and board")
    parser.add_argument("--network", metavar="NAME", help="points of this network only")
    parser.add_argument(
        "--choose",
        type=rate,
        metavar="FPS",
        help="mark the smallest machine that reaches this many images a second (default: the "
        "fastest that fits)",
    )


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Write the page; the result summarises it."""
    from flows.cli.show_report import show

    return show(options), 0
