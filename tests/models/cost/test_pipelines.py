"""Latencies by formula against what their definitions say; the hardware's tests count cycles."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.cost.pipelines import RADIX, drain_latency, levels

COUNTS = st.integers(1, 1 << 20) | st.integers(0, 10).map(lambda n: RADIX**n)


@given(COUNTS)
def test_levels(count: int) -> None:
    """Each level leaves a quarter, rounded up, until one is left."""
    found, left = 0, count
    while left > 1:
        left, found = -(-left // RADIX), found + 1
    assert levels(count) == found


@given(st.lists(st.tuples(COUNTS, st.integers(1, 64)), min_size=1, max_size=8))
def test_many_machines_at_once(sizes: list[tuple[int, int]]) -> None:
    places, widths = np.array(sizes).T
    alone = [drain_latency(place, width) for place, width in sizes]
    assert drain_latency(places, widths).tolist() == alone
