"""The boards: collected from the files of this folder, one each."""

import difflib
import pkgutil
from importlib import import_module

from flows.boards.board import Board

__all__ = ["BOARDS", "SUPPORT", "UnknownBoard", "find"]

SUPPORT = {"address_map", "board", "board_catalog", "host", "memory_port", "platforms", "project"}
"""Files of this folder that are no board."""


class UnknownBoard(ValueError):
    """No board has the name that was asked for; the text suggests one, or lists all."""


def _collected() -> tuple[Board, ...]:
    """``BOARD`` of every file, in the order of the files' names."""
    folder = import_module("flows.boards").__path__
    names = sorted({file.name for file in pkgutil.iter_modules(folder)} - SUPPORT)
    modules = [import_module(f"flows.boards.{name}") for name in names]
    for module in modules:
        if not isinstance(getattr(module, "BOARD", None), Board):
            raise AssertionError(f"{module.__file__} must define BOARD, or be named in SUPPORT")
    return tuple(module.BOARD for module in modules)


BOARDS = _collected()


def find(name: str) -> Board:
    """The board of that name.

    Raises
    ------
    UnknownBoard
        if there is none.
    """
    names = [board.name for board in BOARDS]
    if name in names:
        return BOARDS[names.index(name)]
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"
    raise UnknownBoard(f"board must be a known one, not {name!r}; {hint}")
