"""From real gains to the integers of a requantiser: the importer's only place for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flows.onnx_import.row_formats import DEFAULT_FORMAT
from flows.onnx_import.values import Array, Codes, Indices, Value
from models.formats import find_format
from models.ops.requantize import TABLE_ENTRIES_MAX, Lookup, Requantize
from models.rescale import multiplier_for

__all__ = ["clamp_codes", "code_table", "requantiser", "signed_rows"]

_BIAS_MAX = 2.0**30
_SEARCH: Array = np.concatenate(
    [-np.geomspace(1e6, 1e-6, 4000), [0.0], np.geomspace(1e-6, 1e6, 4000)]
)


def clamp_codes(value: Value, scale: float, zero_point: int) -> tuple[int, int]:
    """Codes of the clip bounds of ``value``."""
    ends = np.clip(np.array([value.low, value.high]) / scale, -1e6, 1e6)
    codes = np.clip(np.rint(ends) + zero_point, -128, 127)
    return int(codes[0]), int(codes[1])


def code_table(value: Value, source: Codes, scale: float, zero_point: int) -> Lookup:
    """The table of a function of codes: one entry for every code of the source."""
    real = value.after(float(value.a[0]) * source.reals() + float(value.b[0]))
    return Lookup(table=_codes(real, scale, zero_point), offset=-source.low)


def requantiser(
    gain: Array, offset: Array, value: Value, scale: float, zero_point: int
) -> Requantize:
    """``clip(gain * acc + offset)``, then the function of ``value``, as codes.

    Parameters
    ----------
    gain, offset
        Real worth of one accumulator step, positive, and real offset; the gain and offset of
        ``value`` are already in them.
    """
    if value.function is None:
        low, high = clamp_codes(value, scale, zero_point)
        return _integers(gain, offset, scale, zero_point, low, high, None)
    start, stop = _changing(value, scale, zero_point)
    last = TABLE_ENTRIES_MAX - 1
    step = (stop - start) / last
    points = np.asarray(start + step * np.arange(TABLE_ENTRIES_MAX), dtype=np.float64)
    table = _codes(value.after(points), scale, zero_point)
    index = _integers(gain, offset - start, step, 0, 0, last, Lookup(table=table))
    return index


def signed_rows(
    weights: Indices, gain: Array, offset: Array, formats: Sequence[str] = ()
) -> tuple[Indices, Array]:
    """Weights and gains such that every gain is positive and every bias fits 32 bits.

    A negative gain turns its row's signs. A row whose offset is out of all proportion to its
    gain (a dead channel) is scaled so that the offset fits. Either way a row stays on the grid of
    its format (``fixed8`` where ``formats`` is empty).
    """
    rows, gains = weights.copy(), gain.copy()
    books = [find_format(name) for name in formats or [DEFAULT_FORMAT] * len(rows)]
    for row in np.flatnonzero(gains < 0):
        below, above = -int(books[row].grid[0]), int(books[row].grid[-1])
        if rows[row].min() < -above:
            # Two's complement has no such positive number: rounded anew to one step less.
            rows[row] = books[row].nearest(rows[row] * (above / below))
            gains[row] *= below / above
        rows[row] *= -1
    gains = np.abs(gains)
    empty = ~np.any(rows.reshape(len(rows), -1), axis=1)
    least = np.abs(offset) / _BIAS_MAX
    low = (gains < least) | (gains == 0) | empty
    for row in np.flatnonzero(low):
        better = max(float(least[row]), 2.0**-20)
        steps = rows[row] * (0.0 if empty[row] else gains[row] / better)
        rows[row] = books[row].nearest(steps)
        gains[row] = better
    return rows, gains


def _integers(
    gain: Array,
    offset: Array,
    scale: float,
    zero_point: int,
    low: int,
    high: int,
    table: Lookup | None,
) -> Requantize:
    pairs = [multiplier_for(float(g) / scale) for g in gain]
    bias = np.clip(np.rint(offset / gain), -_BIAS_MAX, _BIAS_MAX)
    return Requantize(
        bias=bias.astype(np.int64),
        multiplier=np.array([m for m, _ in pairs]),
        shift=np.array([s for _, s in pairs]),
        zero_point=zero_point,
        low=low,
        high=high,
        table=table,
    )


def _codes(real: Array, scale: float, zero_point: int) -> Indices:
    codes = np.clip(np.rint(np.nan_to_num(real) / scale) + zero_point, -128, 127)
    return np.asarray(codes, dtype=np.int64)


def _changing(value: Value, scale: float, zero_point: int) -> tuple[float, float]:
    """The arguments between which a function's codes change; constant outside."""
    codes = _codes(value.after(_SEARCH), scale, zero_point)
    steps = np.flatnonzero(np.diff(codes))
    if not len(steps):
        return -1.0, 1.0
    return float(_SEARCH[steps[0]]), float(_SEARCH[steps[-1] + 1])
