"""Axes: from figures to places in a picture, and round figures to mark them with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Scale", "axis", "short"]


@dataclass(frozen=True)
class Scale:
    """Scale from ``low .. high`` to ``start .. stop``, logarithmic if ``log``."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Position of a figure in the picture."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(max(value, self.low))
        return self.start + (self.stop - self.start) * (at - low) / ((high - low) or 1)

    def ticks(self) -> list[float]:
        """Round figures in its range."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            marks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            return [mark for mark in marks if self.low <= mark <= self.high]
        step = _step(self.high - self.low)
        first = math.ceil(self.low / step)
        return [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


def axis(values: Iterable[float], start: float, stop: float, *, log: bool = False) -> Scale:
    """A scale that has all values on it; from 0 if it is not logarithmic."""
    some = [value for value in values if value > 0] or [1.0]
    if log:
        return Scale(min(some) / 1.15, max(some) * 1.15, start, stop, log=True)
    return Scale(0.0, max(some) * 1.06, start, stop)


def _step(span: float) -> float:
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(power * digit for digit in (1, 2, 5, 10) if span / (power * digit) <= 6)


def short(value: float) -> str:
    """A figure for a mark: 250k, 1.5M, 0.2."""
    for limit, letter in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if letter == 'k' else 1e6):g}{letter}"
    return f"{value:,.6g}"
