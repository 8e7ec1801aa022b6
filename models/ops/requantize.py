"""Requantise: wide integers to codes, per channel, with an optional function table.

Source: TFLite quantisation spec (per-axis multiplier and shift); the table stage is HG-PIPE's
(``table[clamp((x + b) >> s)]``), which also expresses GELU and any other elementwise function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.numerics.rescale import MULTIPLIER_MAX, SHIFT_MAX, Integers, Rounding, rescale

TABLE_ENTRIES_MAX = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Lookup:
    """``y = table[clamp((x + offset) >> shift, 0, len(table) - 1)]``.

    Parameters
    ----------
    table : int array of 1 to 1024 entries, each within 16 signed bits
    offset : int, 24 signed bits
    shift : int, 0 to 15
    """

    table: Integers
    offset: int = 0
    shift: int = 0

    def __post_init__(self) -> None:
        table = np.asarray(self.table, dtype=np.int64)
        object.__setattr__(self, "table", table)
        if table.ndim != 1 or not 1 <= len(table) <= TABLE_ENTRIES_MAX:
            raise ValueError(
                f"lookup table must be 1 to {TABLE_ENTRIES_MAX} entries, not shape {table.shape}"
            )
        if table.min() < -(1 << 15) or table.max() >= 1 << 15:
            raise ValueError("lookup entries must fit 16 signed bits")
        if not 0 <= self.shift <= 15:
            raise ValueError(f"lookup shift must be 0 to 15, not {self.shift}")
        if not -(1 << 23) <= self.offset < 1 << 23:
            raise ValueError(f"lookup offset must fit 24 signed bits, not {self.offset}")


def lookup(x: ArrayLike, spec: Lookup) -> Integers:
    """Golden of :class:`Lookup`; any shape, int64 in and out."""
    index = (np.asarray(x, dtype=np.int64) + spec.offset) >> spec.shift
    entries: Integers = spec.table[np.clip(index, 0, len(spec.table) - 1)]
    return entries


@dataclass(frozen=True, kw_only=True, eq=False)
class Requantize:
    """``y = clamp(round((x + bias) * multiplier / 2**shift) + zero_point, low, high)``, then table.

    Parameters
    ----------
    bias, multiplier, shift : int array [channels], or a single int for every channel
        32 signed bits; 0 to 2**31-1; 0 to 62.
    rounding : Rounding
    zero_point : int, 16 signed bits
    low, high : int, 16 signed bits
        ReLU is ``low = zero_point``.
    table : Lookup or None
        Applied to the clamped value.
    """

    bias: Integers
    multiplier: Integers
    shift: Integers
    rounding: Rounding = Rounding.HALF_EVEN
    zero_point: int = 0
    low: int = -128
    high: int = 127
    table: Lookup | None = None

    def __post_init__(self) -> None:
        for name in ("bias", "multiplier", "shift"):
            value = np.atleast_1d(np.asarray(getattr(self, name), dtype=np.int64))
            object.__setattr__(self, name, value)
        limits = {
            "bias": (-(1 << 31), MULTIPLIER_MAX),
            "multiplier": (0, MULTIPLIER_MAX),
            "shift": (0, SHIFT_MAX),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value.min() < low or value.max() > high:
                worst = value.min() if value.min() < low else value.max()
                raise ValueError(f"requantise {name} must be {low} to {high}, not {worst}")
        if not -(1 << 15) <= self.low <= self.high < 1 << 15:
            raise ValueError(
                f"requantise clamp must be ordered 16-bit bounds, not {self.low} to {self.high}"
            )

    @property
    def channels(self) -> int:
        """Channels the parameters are given for; 1 means the same for every channel."""
        return max(len(self.bias), len(self.multiplier), len(self.shift))

    def rows(self, start: int, stop: int) -> Requantize:
        """The same operator for a slice of its channels (fused q, k, v are split like this)."""

        def cut(value: Integers) -> Integers:
            return value if len(value) == 1 else value[start:stop]

        return Requantize(
            bias=cut(self.bias),
            multiplier=cut(self.multiplier),
            shift=cut(self.shift),
            rounding=self.rounding,
            zero_point=self.zero_point,
            low=self.low,
            high=self.high,
            table=self.table,
        )


def requantize(x: ArrayLike, spec: Requantize) -> Integers:
    """Golden of :class:`Requantize`: int64 ``[..., channels]`` to int64 codes."""
    value = np.asarray(x, dtype=np.int64) + spec.bias
    scaled = rescale(value, spec.multiplier, spec.shift, spec.rounding) + spec.zero_point
    codes = np.clip(scaled, spec.low, spec.high)
    return codes if spec.table is None else lookup(codes, spec.table)
