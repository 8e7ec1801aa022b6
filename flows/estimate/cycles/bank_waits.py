"""Loads and stores that wait for a bank of the scratchpad: other units come first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np

from flows.estimate.cycles.bank_accesses import PerBank
from flows.estimate.cycles.geometry import Column

__all__ = ["Given", "Others", "WaitingStore"]

KEPT = 64
"""Other units' accesses that are kept: units work in order, so that older ones have ended."""


@dataclass
class Given:
    """The time at which a descriptor is done; None while it is not known."""

    time: Column | None = None


@dataclass(frozen=True, kw_only=True)
class Accesses:
    """Accesses to the scratchpad, evenly between two times; ``counts`` has them bank by bank."""

    start: float
    stop: float
    counts: Callable[[], PerBank]


@dataclass
class Others:
    """Accesses of the units that come first, in program order.

    Parameters
    ----------
    buffered : bool
        What waits for them makes up for it afterwards: it takes a word a cycle if it can.
    """

    buffered: bool
    others: deque[Accesses] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, start: Column, stop: Column, counts: Callable[[], PerBank]) -> None:
        """Add accesses that go to all their banks all the time."""
        if stop[0] > start[0]:
            once = cache(counts)
            self.others.append(Accesses(start=start[0], stop=stop[0], counts=once))

    def add_in_order(self, start: Column, stop: Column, counts: PerBank) -> None:
        """Add accesses that go to one bank after the other."""
        at, pace = float(start[0]), (stop[0] - start[0]) / max(1, int(counts.sum()))
        for bank in np.flatnonzero(counts).tolist():
            alone = np.where(np.arange(len(counts)) == bank, counts, 0)
            end = at + pace * counts[bank]
            self.others.append(Accesses(start=at, stop=end, counts=partial(np.copy, alone)))
            at = end

    def delayed(self, start: int, cycles: int, banks: PerBank) -> int:
        """Return when a copy is done that takes so many cycles alone.

        Parameters
        ----------
        banks : its words in each bank, to which it comes one after the other
        """
        words, now = max(1, int(banks.sum())), float(start)
        for bank in np.flatnonzero(banks).tolist():
            now = self._in_bank(now, cycles * banks[bank] / words, bank, cycles / words)
        return int(np.ceil(now))

    def _in_bank(self, now: float, cycles: float, bank: int, per_word: float) -> float:
        """Return when so many cycles of work in a bank are done."""
        for other in sorted(self.others, key=lambda one: one.start):
            if other.stop <= now:
                continue
            alone = max(0.0, other.start - now)
            if alone >= cycles:
                break
            cycles, now = cycles - alone, now + alone
            taken = float(other.counts()[bank]) / (other.stop - other.start)
            # A word takes its bank for one cycle of those in which it is sent.
            pace = min(1.0, max(0.0, 1 - taken) * (per_word if self.buffered else 1))
            within = pace * (other.stop - now)
            if within >= cycles:
                return now + cycles / pace
            cycles, now = cycles - within, other.stop
        return now + cycles


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
    banks: PerBank

    def end(self, reads: Others) -> int:
        """Return its end beside the reads that are known."""
        return reads.delayed(self.start, self.cycles, self.banks) + self.latency
