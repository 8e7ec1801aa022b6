"""Where the memory windows of a run lie."""

from __future__ import annotations

from dataclasses import dataclass

from flows.boards import Board
from flows.errors import UserError
from flows.mapper import MappedNetwork

__all__ = ["Layout", "check_memory", "memory_layout"]

PAGE = 4096
GUARD = PAGE
"""Bytes between and around the windows."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Byte addresses of the memory windows of a run, and the end of all of them."""

    bases: tuple[int, int, int, int]
    sizes: tuple[int, int, int, int]
    end: int


def memory_layout(network: MappedNetwork) -> Layout:
    """Windows one after the other on page borders, guards between them."""
    sizes = (
        len(network.image),
        network.input.size_bytes,
        network.output.size_bytes,
        network.work_bytes,
    )
    bases = []
    at = PAGE
    for size in sizes:
        bases.append(at)
        at += -(-size // PAGE) * PAGE + GUARD
    return Layout(bases=(bases[0], bases[1], bases[2], bases[3]), sizes=sizes, end=at)


def check_memory(network: MappedNetwork, board: Board, name: str) -> None:
    """Check that a board's memory holds the windows of a run.

    Raises
    ------
    UserError
        If its part for the machine is smaller.
    """
    end = memory_layout(network).end
    if end > board.memory_bytes:
        raise UserError(
            f"{name}: program, weights and tensors must fit the {board.memory_bytes:,} bytes of "
            f"memory that {board.name} keeps for the machine, not take {end:,}"
        )
