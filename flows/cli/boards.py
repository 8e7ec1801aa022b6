"""``rowmac boards``: the boards that machines are built for."""

import argparse
from typing import Any

from flows.boards import BOARDS, Board
from flows.cli.table import table
from flows.estimate.timing.board_floors import board_floor

__all__ = ["HELP", "add_arguments", "run"]

HELP = "list the boards"
AGAIN = "python -m benchmarks.timing --machines arty,zcu102 --store"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the verb takes no arguments."""


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Print the list; the result is the same list as data."""
    floors = {board.name: board_floor(board.name) for board in BOARDS}
    if not options.json:
        head = ("board", "device", "MHz", "floor", "LUT", "DSP", "block RAM", "name")
        print(table(head, [_row(board, floors[board.name]) for board in BOARDS]))
        print(
            "floor: static timing floor of the default machine with ideal placement, as a 7-series "
            "-1 part, when it was last measured; no achieved clock (rowmac estimate --timing)"
        )
        if any(floor and floor["stale"] for floor in floors.values()):
            print(f"stale: the hardware has changed since; to repeat it: {AGAIN}")
    return {
        "boards": [
            board.facts() | {"static_timing_floor": floors[board.name]} for board in BOARDS
        ]
    }, 0  # fmt: skip


def _row(board: Board, floor: dict[str, Any] | None) -> tuple[object, ...]:
    known = f"{floor['floor_mhz']:.0f} MHz, {floor['measured']}" if floor else "not known"
    if floor and floor["stale"]:
        known += ", stale"
    return (
        board.name,
        board.part,
        board.clock_mhz,
        known,
        board.resources.luts,
        board.resources.dsps,
        board.resources.block_rams,
        board.title,
    )
