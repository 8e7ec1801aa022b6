"""``rowmac formats``: the number formats of weight rows."""

import argparse
from typing import Any

__all__ = ["HELP", "add_arguments", "run"]

HELP = "list the number formats of weight rows, or the values of one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One format, if its values are wanted."""
    parser.add_argument(
        "format", nargs="?", metavar="FORMAT", help="show this one, with the value of every code"
    )


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Print the list or the values; the result is the same as data."""
    from flows.cli.show_formats import show

    return show(options), 0
