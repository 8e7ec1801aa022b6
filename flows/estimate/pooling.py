"""Descriptors of a pooling: rectangles of output positions with windows of one size."""

from __future__ import annotations

from itertools import groupby

from models.ops.pool import Window

__all__ = ["pool_windows"]


def pool_windows(window: Window, height: int, width: int) -> tuple[tuple[int, int], ...]:
    """(output positions, taps) of each descriptor of a pooling, as the mapper cuts it."""
    found = []
    _, wide = window.output_shape(height, width)
    for _, size_y, count_y in _runs(window, 0, height):
        for _, size_x, count_x in _runs(window, 1, width):
            lines = 1 if count_x == wide else count_y
            found += [(count_y * count_x // lines, size_y * size_x)] * lines
    return tuple(found)


def _runs(window: Window, axis: int, size: int) -> list[tuple[int, int, int]]:
    """Successive output positions along an axis with windows of one size."""
    kernel, stride = window.kernel[axis], window.stride[axis]
    before, after = window.padding[axis], window.padding[axis + 2]
    count = (size + before + after - kernel) // stride + 1
    spans = []
    for index in range(count):
        start = index * stride - before
        clipped = max(start, 0)
        spans.append((min(start + kernel, size) - clipped, clipped if clipped > start else -1))
    return [(key[1], key[0], len(list(run))) for key, run in groupby(spans)]
