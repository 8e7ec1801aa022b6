"""Parameter memories that are filled as a ring, on many machines."""

from __future__ import annotations

import numpy as np

from flows.estimate.cycles.geometry import Column

__all__ = ["Ring"]

KEPT = 8
"""Number of uses that are kept: units work in order, so that older uses have ended."""


class Ring:
    """Places of each layer's entries, and the times at which older entries there become free.

    Addresses are those of :class:`flows.mapper.place.RingSpace`, without its reuse of entries.

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
        """Reserve entries for the current layer; returns the time from which they may be loaded."""
        start = np.where(self.at + count > self.size, 0, self.at)
        stop = start + count
        free = np.zeros_like(self.size)
        for begin, end, done in self.uses:
            free = np.where((begin < stop) & (start < end), np.maximum(free, done), free)
        self.at = stop
        self.open.append((start, stop))
        return free

    def close(self, done: Column) -> None:
        """Mark all entries of the current layer free from the time ``done`` on."""
        self.uses += [(start, stop, done) for start, stop in self.open]
        self.open.clear()
        del self.uses[:-KEPT]
