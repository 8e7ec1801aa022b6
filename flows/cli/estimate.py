"""``rowmac estimate``: resources, cycles and traffic of a machine, without building it."""

import argparse
from typing import Any

from flows.cli.machine_options import (
    add_condition_options,
    add_machine_options,
    add_memory_option,
    add_workload_option,
    add_write_option,
)
from flows.cli.numbers import count

__all__ = ["HELP", "add_arguments", "run"]

HELP = "estimate resources, cycles and memory traffic of a machine, with the errors of estimates"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Board, network, machine, clock."""
    parser.add_argument(
        "--board", help="name of a board (default: the machine file's, or arty-z7-20)"
    )
    add_workload_option(parser)
    add_machine_options(parser)
    add_condition_options(parser)
    add_memory_option(parser)
    add_write_option(parser, "the machine", "-o")
    parser.add_argument(
        "--engine",
        default="digital",
        metavar="ENGINE",
        help="digital (default), or cim:PRESET: cycles of a network file on a machine with a macro",
    )
    parser.add_argument(
        "--adc-bits", type=count, default=0, metavar="BITS", help="with a macro (default: preset's)"
    )
    parser.add_argument(
        "--synthesise", action="store_true", help="run Yosys as well: minutes; shows both"
    )
    parser.add_argument(
        "--timing",
        action="store_true",
        help="static timing floor by Yosys, of ideal placement, as a 7-series -1 part: minutes to "
        "an hour",
    )
    parser.add_argument(
        "--vivado",
        action="store_true",
        help="run Vivado's synthesis as well, if it is on PATH: minutes to an hour; shows both",
    )


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Estimate; the result holds every figure. Status 1 if the machine does not fit the device."""
    from flows.cli.show_estimate import show

    result = show(options)
    return result, 0 if result.get("resources", {}).get("fits", True) else 1
