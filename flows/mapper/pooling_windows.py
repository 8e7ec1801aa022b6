"""Splits a pooling into rectangles of output positions whose windows have equal size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from models.ops.pool import Window

__all__ = ["Run", "window_runs"]


class Run(NamedTuple):
    """Successive output positions along one axis whose windows have equal size.

    Attributes
    ----------
    place : first output position
    start, size : first element of its window; elements of each window
    length : number of output positions
    """

    place: int
    start: int
    size: int
    length: int


def window_runs(window: Window, axis: int, size: int) -> Iterator[Run]:
    """Yield the runs along axis 0 or 1 of an image of ``size`` positions."""
    kernel, stride = window.kernel[axis], window.stride[axis]
    before, after = window.padding[axis], window.padding[axis + 2]
    count = (size + before + after - kernel) // stride + 1
    spans = []
    for index in range(count):
        start = index * stride - before
        clipped = max(start, 0)
        spans.append((index, clipped, min(start + kernel, size) - clipped, clipped - start))
    # Windows cut at the near edge all begin at 0, so no single stride walks them: one run each.
    for _, run in groupby(spans, key=lambda s: (s[2], s[0] if s[3] else -1)):
        block = list(run)
        yield Run(block[0][0], block[0][1], block[0][2], len(block))
