"""Elementwise functions as look-up tables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.values import Array, Codes, Indices, Value
from models.ops.requantize import TABLE_ENTRIES_MAX, Lookup

__all__ = ["TABLE_ERROR_MAX", "Span", "code_table", "table_span"]

TABLE_ERROR_MAX = 2
"""Largest error, in codes, of a table over a range of real numbers."""
_PROBES = 8
"""Points per table entry at which the table is compared with its function."""


class Span(NamedTuple):
    """A table over real numbers: entry ``i`` is for numbers nearest to ``start + i * step``."""

    start: float
    step: float
    table: Indices


def code_table(value: Value, source: Codes, scale: float, zero_point: int, label: str) -> Lookup:
    """Make the exact table of a function of codes: one entry for every code of the source."""
    real = value.after(float(value.a[0]) * source.reals() + float(value.b[0]))
    return Lookup(table=_codes(real, scale, zero_point, label), offset=-source.low)


def table_span(
    value: Value, scale: float, zero_point: int, least: float, most: float, label: str
) -> Span:
    """Make the table of a function of numbers between ``least`` and ``most``.

    It covers the part of this range in which codes change.

    Raises
    ------
    NetworkError
        If the table is off by more than :data:`TABLE_ERROR_MAX` codes at some number.
    """
    start, stop = _changing(value, scale, zero_point, least, most, label)
    step = (stop - start) / (TABLE_ENTRIES_MAX - 1)
    points = start + step * np.arange(TABLE_ENTRIES_MAX, dtype=np.float64)
    table = _codes(value.after(points), scale, zero_point, label)
    inside = (np.arange(_PROBES * TABLE_ENTRIES_MAX) + 0.5) / _PROBES - 0.5
    probes = np.concatenate([start + step * inside, [least, most]])
    chosen = np.clip(np.rint((probes - start) / step), 0, TABLE_ENTRIES_MAX - 1).astype(np.int64)
    within = (probes >= least) & (probes <= most)
    right = _codes(value.after(np.clip(probes, least, most)), scale, zero_point, label)
    off = int(np.abs(table[chosen] - right).max(where=within, initial=0))
    if off > TABLE_ERROR_MAX:
        raise NetworkError(
            f"function of {label} must be within {TABLE_ERROR_MAX} codes of a table of "
            f"{TABLE_ENTRIES_MAX:,} entries, not {off} codes off: put a QuantizeLinear and a "
            "DequantizeLinear between the operator and its function"
        )
    return Span(start, step, table)


def _codes(real: Array, scale: float, zero_point: int, label: str) -> Indices:
    if np.isnan(real).any():
        raise NetworkError(
            f"function of {label} must have a result for every number that may reach it, not NaN "
            "for some (a root or logarithm of negative numbers): put a Clip or Relu before it"
        )
    with np.errstate(over="ignore"):  # infinity saturates
        codes = np.clip(np.rint(real / scale) + zero_point, -128, 127)
    return np.asarray(codes, dtype=np.int64)


def _changing(
    value: Value, scale: float, zero_point: int, least: float, most: float, label: str
) -> tuple[float, float]:
    """Return the arguments between which a function's codes change; outside they are constant."""
    reach = max(abs(least), abs(most), 1e-30)
    fine = np.geomspace(reach * 1e-12, reach, 4000)
    points = np.concatenate([-fine, [0.0], fine, np.linspace(least, most, 8001)])
    points = np.unique(np.clip(points, least, most))
    codes = _codes(value.after(points), scale, zero_point, label)
    steps = np.flatnonzero(np.diff(codes))
    if not len(steps):
        middle = float(points[len(points) // 2])
        return middle - reach, middle + reach
    return float(points[steps[0]]), float(points[steps[-1] + 1])
