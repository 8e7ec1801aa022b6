"""``rowmac estimate``: resources, cycles and traffic of a machine, without building it."""

import argparse
from typing import Any

from flows.cli.machine_options import add_machine_options
from flows.cli.numbers import count, rate
from flows.cli.paths import path

__all__ = ["HELP", "add_arguments", "run"]

HELP = "estimate resources, cycles and memory traffic of a machine, with the errors of estimates"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Board, network, machine, clock."""
    parser.add_argument(
        "--board", default="arty-z7-20", help="name of a board (default arty-z7-20)"
    )
    parser.add_argument(
        "--network",
        type=lambda text: str(path(text)),
        metavar="FILE|NAME",
        help="ONNX file in QDQ form, or a named workload such as deit-base",
    )
    add_machine_options(parser)
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
        "--vivado",
        action="store_true",
        help="run Vivado's synthesis as well, if it is on PATH: minutes to an hour; shows both",
    )


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Estimate; the result holds every figure. Status 1 if the machine does not fit the device."""
    from flows.cli.show_estimate import show

    result = show(options)
    return result, 0 if result.get("resources", {}).get("fits", True) else 1
