"""``rowmac sweep``: figures of many machines, in a store that survives interruptions."""

import argparse
from typing import Any

from flows.cli.machine_options import add_file_option, add_write_option
from flows.cli.numbers import whole
from flows.cli.paths import path

__all__ = ["HELP", "add_arguments", "run"]

HELP = "estimate, synthesise or simulate many machines; continues after an interruption"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Definition, store, stages, workers."""
    parser.add_argument(
        "definition",
        type=path,
        nargs="?",
        metavar="SWEEP.toml",
        help="tables [grid] of lists and [[point]] of single points",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="a list of the grid, such as lanes=4,8 or tokens=2..8; texts are separated by "
        "slashes, such as rows=fixed8:16/fixed8:8,pot4:8",
    )
    add_file_option(parser)
    add_write_option(parser, "the fastest machine of the Pareto front")
    parser.add_argument(
        "-o", "--output", type=path, required=True, metavar="FILE", help="store (SQLite)"
    )
    parser.add_argument(
        "--synthesise",
        choices=("front", "all"),
        default="",
        help="run Yosys on points of the Pareto front, or on all",
    )
    parser.add_argument(
        "--simulate",
        choices=("front", "all"),
        default="",
        help="simulate the network on points of the Pareto front, or on all",
    )
    parser.add_argument(
        "--jobs", type=whole, default=0, metavar="N", help="processes (default: all cores)"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="use an existing Dask cluster instead of processes"
    )


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Sweep; the result holds the numbers of points and the front."""
    from flows.cli.show_sweep import show

    return show(options), 0
