"""Loads under way: when the load unit takes the next one, and when it has asked for all beats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycles.geometry import Column, ceil
from models.cost.pipelines import CHECK_LATENCY, LOAD_BEATS, LOADS_AT_ONCE, START_LATENCY
from models.machine.memory import MemoryTiming

__all__ = ["ASKED", "BURST", "PREFETCHED", "Loads", "queued"]

BURST = 16  # beats of a burst
ASKED = 4 + CHECK_LATENCY  # from the start of a load to its first burst, two cycles a burst besides
NEXT_LOAD = 3  # from the end of a load to the first beat of the next one, if that has come
PREFETCHED = LOAD_BEATS - BURST  # beats still to be written when a load asks for its last burst
NOT_QUEUED = 10  # beats of a load that are not in a fetch's way although they are asked for


def queued(slowdown: NDArray[np.float64], memory: MemoryTiming) -> Column:
    """Cycles that a fetch of a descriptor waits behind the beats that a load has asked for."""
    waits = LOAD_BEATS * slowdown - memory.read_latency - NOT_QUEUED
    return np.maximum(waits, 0).astype(np.int64)


class Loads:
    """State of :class:`hdl.units.load_unit.LoadUnit` on ``n`` machines; times are columns ``[n]``.

    Attributes
    ----------
    accepts : when it takes its next descriptor
    asked : when it has asked for all of the last one
    ends : of the last loads
    spans : first and last request of every load, and its end
    """

    def __init__(self, zero: Column) -> None:
        self.accepts = self.asked = zero
        self.ends = [zero] * LOADS_AT_ONCE
        self.spans: list[tuple[Column, ...]] = []

    def takes(self) -> Column:
        """Time from which a further load may begin."""
        taken: Column = np.maximum(self.accepts, self.ends[0] + START_LATENCY)
        return taken

    def comes(self, start: Column, latency: Column | int) -> Column:
        """First beat of a load that starts at a time, behind those of the load before."""
        first: Column = np.maximum(start + latency, self.ends[-1] + NEXT_LOAD)
        return first

    def add(self, start: Column, beats: Column, end: Column, tail: Column) -> None:
        """Add a load; all that it asks for is asked for ``tail`` cycles before its end."""
        # The next one is taken when this one's run has been, which waits for that before it.
        self.accepts = np.maximum(start + ASKED, self.asked)
        self.asked = np.maximum(self.accepts + 2 * ceil(beats, BURST), end - tail)
        self.spans.append((self.accepts, self.asked, end))
        self.ends = [*self.ends[1:], end]

    def prolong(self, end: Column, tail: Column) -> None:
        """Let the last load end later: it brings the weights of several products."""
        self.ends[-1] = end
        self.asked = np.maximum(self.asked, end - tail)
