"""Stores that wait for the scratchpad: other units that read its bank come first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from flows.estimate.cycles.bank_reads import Reads
from flows.estimate.cycles.geometry import Column

__all__ = ["Given", "ReadTimes", "WaitingStore"]

KEPT = 64
"""Readers that are kept: units work in order, so that older ones have ended."""


@dataclass
class Given:
    """The time at which a descriptor is done; None while it is not known."""

    time: Column | None = None


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads of the scratchpad, evenly between two times; ``reads`` counts them bank by bank."""

    start: int
    stop: int
    reads: Callable[[], Reads]


@dataclass
class ReadTimes:
    """Units with priority over the store, in program order."""

    readers: deque[Reader] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, start: Column, stop: Column, reads: Callable[[], Reads]) -> None:
        """Add a reader."""
        if stop[0] > start[0]:
            self.readers.append(Reader(start=int(start[0]), stop=int(stop[0]), reads=reads))

    def delayed(self, start: int, cycles: int, banks: Reads) -> int:
        """Return when a store that takes so many cycles alone is done.

        Parameters
        ----------
        banks : words of the store in each bank
        """
        words = int(banks.sum())
        share = banks / max(1, words)
        done, now = 0.0, float(start)
        for reader in sorted(self.readers, key=lambda one: one.start):
            if reader.stop <= now:
                continue
            alone = max(0.0, reader.start - now)
            if done + alone >= cycles:
                break
            done, now = done + alone, max(now, float(reader.start))
            # A word is read in one cycle of those that it takes to be sent.
            taken = float((share * reader.reads()).sum()) / (reader.stop - reader.start)
            pace = min(1.0, max(0.0, 1 - taken) * cycles / max(1, words))
            within = pace * (reader.stop - now)
            if done + within >= cycles:
                return int(np.ceil(now + (cycles - done) / pace))
            done, now = done + within, float(reader.stop)
        return int(np.ceil(now + cycles - done))


@dataclass(frozen=True, kw_only=True)
class WaitingStore:
    """A store whose end depends on descriptors that come behind it.

    Attributes
    ----------
    cycles, latency : of the store alone
    banks : words in each bank
    """

    given: Given
    tag: int
    start: int
    cycles: int
    latency: int
    banks: Reads

    def end(self, times: ReadTimes) -> int:
        """Return its end beside the readers that are known."""
        return times.delayed(self.start, self.cycles, self.banks) + self.latency
