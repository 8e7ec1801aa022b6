"""``rowmac estimate``: resources, cycles and traffic of a machine, without building it."""

import argparse
from typing import Any

from .paths import path

__all__ = ["HELP", "SPEC_FIELDS", "add_arguments", "run"]

HELP = "estimate resources, cycles and memory traffic of a machine; each figure with its error"

SPEC_FIELDS = (
    "lanes", "tokens", "vector_lanes", "depth", "banks", "bank_words", "param_entries",
    "row_group", "axi_width", "queue_depth", "act_bits",
)  # fmt: skip
"""Numbers of a machine's spec that have an option each; ``--rows`` is one more."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Board, network, machine, clock."""
    parser.add_argument(
        "--board", default="arty-z7-20", help="name of a board (default arty-z7-20)"
    )
    parser.add_argument(
        "--network",
        type=_name,
        metavar="FILE|NAME",
        help="ONNX file in QDQ form, or a named workload such as deit-base",
    )
    parser.add_argument(
        "--rows",
        metavar="CLASSES|N",
        help="number formats of the array's rows, such as fixed8:12,pot4:20, or how many plain "
        "rows",
    )
    for name in SPEC_FIELDS:
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=_count, metavar="N", help="of the machine"
        )
    parser.add_argument(
        "--clock", type=_rate, metavar="MHZ", help="assumed clock (default: the board's)"
    )
    parser.add_argument(
        "--bandwidth",
        type=_rate,
        metavar="MB/S",
        help="memory bandwidth (default: what the bus takes at that clock)",
    )
    parser.add_argument(
        "--synthesise", action="store_true", help="run Yosys as well: minutes; shows both"
    )


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Estimate; the result holds every figure."""
    from .estimation import show

    return show(options), 0


def _name(text: str) -> str:
    return str(path(text))


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, not {text!r}")
    return int(text)


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value
