"""Memories of parameters that are filled in a circle, on many machines."""

from __future__ import annotations

import numpy as np

from flows.estimate.cycles.geometry import Column

__all__ = ["Ring"]

KEPT = 8
"""Uses that are remembered: units take their queues in order, so older ones have long ended."""


class Ring:
    """Where each layer's entries lie, and when those they take the place of are done with.

    As :class:`flows.mapper.place.RingSpace` hands out addresses, but for what is there already.

    Parameters
    ----------
    size : ``[n]`` entries of the memory
    """

    def __init__(self, size: Column) -> None:
        self.size = size
        self.at = np.zeros_like(size)
        self.uses: list[tuple[Column, Column, Column]] = []
        self.open: list[tuple[Column, Column]] = []

    def take(self, count: Column) -> Column:
        """Reserve entries for the layer at hand; gives the time from which they may be loaded."""
        start = np.where(self.at + count > self.size, 0, self.at)
        stop = start + count
        free = np.zeros_like(self.size)
        for begin, end, done in self.uses:
            free = np.where((begin < stop) & (start < end), np.maximum(free, done), free)
        self.at = stop
        self.open.append((start, stop))
        return free

    def close(self, done: Column) -> None:
        """The layer at hand is done with all it has taken."""
        self.uses += [(start, stop, done) for start, stop in self.open]
        self.open.clear()
        del self.uses[:-KEPT]
