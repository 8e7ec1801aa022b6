"""``rowmac boards``: the boards that machines are built for."""

import argparse
from typing import Any

from flows.boards import BOARDS
from flows.cli.table import table

__all__ = ["HELP", "add_arguments", "run"]

HELP = "list the boards"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the verb takes no arguments."""


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Print the list; the result is the same list as data."""
    if not options.json:
        head = ("board", "device", "MHz", "LUT", "DSP", "block RAM", "name")
        rows = [
            (
                board.name,
                board.part,
                board.clock_mhz,
                board.resources.luts,
                board.resources.dsps,
                board.resources.block_rams,
                board.title,
            )
            for board in BOARDS
        ]
        print(table(head, rows))
    return {"boards": [board.facts() for board in BOARDS]}, 0
