"""Pareto fronts: points that no other point dominates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COSTS", "front", "pareto"]

COSTS = ("lut", "ff", "dsp", "bram36")


def front(values: Sequence[dict[str, Any]], cost: str, gain: str = "fps") -> list[int]:
    """Indices of points with more ``gain`` than every point of no higher cost, cheapest first."""
    order = sorted(range(len(values)), key=lambda i: (values[i][cost], -values[i][gain]))
    chosen: list[int] = []
    best = float("-inf")
    for index in order:
        if values[index][gain] > best:
            best = values[index][gain]
            chosen.append(index)
    return chosen


def pareto(values: Sequence[dict[str, Any]], gain: str = "fps") -> list[int]:
    """Indices of points that no other point equals or beats in gain and all costs."""
    if not values:
        return []
    table = np.array([[-v[gain], *(v[c] for c in COSTS)] for v in values], dtype=float)
    order = np.lexsort(table.T[::-1])
    kept: list[int] = []
    rows: NDArray[np.float64] = np.empty_like(table)
    for index in order:
        row = table[index]
        # Sorted by gain first, so only points before can beat it.
        before = rows[: len(kept)]
        if not (before <= row).all(axis=1).any():
            rows[len(kept)] = row
            kept.append(int(index))
    return kept
