"""What timing needs to know of a cell: ways through it, and where paths begin and end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Arc", "Bus", "CellTiming"]


class Arc(NamedTuple):
    """From one bit of an input port to one of an output port, in picoseconds."""

    source: str
    source_bit: int
    target: str
    target_bit: int
    ps: int


class Bus(NamedTuple):
    """From every bit of an input port to every bit of an output port, in picoseconds."""

    source: str
    target: str
    ps: int


@dataclass(frozen=True)
class CellTiming:
    """Delays of a cell, in picoseconds.

    Attributes
    ----------
    arcs, buses : combinational
    launch : from the clock edge, by output port
    capture : set-up time before the clock edge, by input port
    """

    arcs: tuple[Arc, ...] = ()
    buses: tuple[Bus, ...] = ()
    launch: dict[str, int] = field(default_factory=dict)
    capture: dict[str, int] = field(default_factory=dict)
