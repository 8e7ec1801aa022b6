"""Descriptors of a pooling, as the mapper cuts it."""

from __future__ import annotations

from flows.mapper.pooling_windows import window_runs
from models.ops.pool import Window

__all__ = ["pool_windows"]


def pool_windows(window: Window, height: int, width: int) -> tuple[tuple[int, int], ...]:
    """(output positions, taps) of each descriptor."""
    found = []
    _, wide = window.output_shape(height, width)
    for rows in window_runs(window, 0, height):
        for columns in window_runs(window, 1, width):
            lines = 1 if columns.length == wide else rows.length
            one = rows.length * columns.length // lines, rows.size * columns.size
            found += [one] * lines
    return tuple(found)
