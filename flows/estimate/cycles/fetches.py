"""Times at which a program's descriptors come from memory, a few of them ahead of their use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from flows.estimate.cycles.geometry import Column
from models.cost.pipelines import CHECK_LATENCY, FETCHES_AHEAD, SPLIT_LATENCY

__all__ = ["FETCH", "Fetches"]

FETCH = 5 + SPLIT_LATENCY
"""Cycles of a fetch besides its beats and the memory's latency."""
HANDED = 3
"""Cycles from the dispatch of a descriptor to the move of the next one but one."""


class Fetches:
    """The fetch of descriptors: :class:`hdl.control.program_fetch.ProgramFetch`.

    Parameters
    ----------
    size : ``[n]`` beats of a descriptor
    latency : cycles of a fetch without its beats
    """

    def __init__(self, size: Column, latency: int) -> None:
        self.size, self.latency = size, latency
        # The header is asked for at once, the first descriptors behind it.
        self.arrived = size + latency
        step = CHECK_LATENCY + SPLIT_LATENCY
        asked = [np.full_like(size, step * (n + 1)) for n in range(FETCHES_AHEAD - 1)]
        self.places: deque[Column] = deque([*asked, self.arrived], maxlen=FETCHES_AHEAD)
        self.asks: list[Column] = []

    def next(self, queued: Callable[[Column], Column], dispatched: Column) -> Column:
        """Time at which the next descriptor can be dispatched.

        Parameters
        ----------
        queued : additional latency of a fetch that is asked for at a time
        dispatched : when the descriptor before the one before was dispatched
        """
        asked = self.places[0]
        self.asks.append(asked)
        self.arrived = np.maximum(asked + self.latency + queued(asked), self.arrived) + self.size
        came: Column = np.maximum(self.arrived, dispatched + HANDED + self.size)
        self.places.append(came)
        return came
