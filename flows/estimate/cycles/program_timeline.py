"""The timeline of one machine, which remembers when loads have the bus."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycles.geometry import Column
from flows.estimate.cycles.timeline import Timeline
from flows.estimate.machine_points import Points
from models.machine.memory import MemoryTiming

__all__ = ["ProgramTimeline"]

TAIL = 3
"""Cycles after a load's last request in which a fetch still waits for its data."""
KEPT = 24
"""Loads that are kept: descriptors are asked for in order."""


class ProgramTimeline(Timeline):
    """A :class:`Timeline` of one machine.

    In a program of strips, loads come one soon after the other: whether a fetch waits behind one
    is seen from each of them, and at a load's end the fetch waits for what is left of it.
    """

    def __init__(self, points: Points, slowdown: NDArray[np.float64], memory: MemoryTiming) -> None:
        super().__init__(points, slowdown, memory)
        self.windows: deque[tuple[int, int]] = deque(maxlen=KEPT)

    def _hold(self, start: Column, cycles: Column) -> None:
        super()._hold(start, cycles)
        self.windows.append((int(start[0]), int(start[0] + cycles[0])))

    def _queued(self, asked: Column) -> Column:
        at = int(asked[0])
        for start, end in reversed(self.windows):
            if start < at < end + TAIL:
                return np.minimum(end - at + TAIL, self.queued)
        return self.zero
