"""Residual addition: two codes on different grids, one rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.numerics.rescale import SHIFT_MAX, Integers, Rounding, multiplier_for, rescale


@dataclass(frozen=True, kw_only=True)
class Add:
    """``y = clamp(round(((a - a_zero) * am + (b - b_zero) * bm) / 2**shift) + zero_point)``.

    Exact up to the single rounding (TFLite rounds three times here). HG-PIPE's residual is the
    case ``am = 2**shift``.

    Parameters
    ----------
    a_multiplier, b_multiplier : int, 25 signed bits
    shift : int, 0 to 62
    """

    a_multiplier: int
    b_multiplier: int
    shift: int
    a_zero: int = 0
    b_zero: int = 0
    rounding: Rounding = Rounding.HALF_EVEN
    zero_point: int = 0
    low: int = -128
    high: int = 127

    def __post_init__(self) -> None:
        for name in ("a_multiplier", "b_multiplier"):
            value = getattr(self, name)
            if not -(1 << 24) <= value < 1 << 24:
                raise ValueError(f"add {name} must fit 25 signed bits, not {value}")
        if not 0 <= self.shift <= SHIFT_MAX:
            raise ValueError(f"add shift must be 0 to {SHIFT_MAX}, not {self.shift}")


def add(a: ArrayLike, b: ArrayLike, spec: Add) -> Integers:
    """Golden of :class:`Add`; equal shapes, or ``b`` one row that is added to every row."""
    left = np.asarray(a, dtype=np.int64) - spec.a_zero
    right = np.asarray(b, dtype=np.int64) - spec.b_zero
    y = rescale(left, spec.a_multiplier, spec.shift, spec.rounding, right * spec.b_multiplier)
    return np.clip(y + spec.zero_point, spec.low, spec.high)


def add_spec(
    *,
    a_scale: float,
    b_scale: float,
    output_scale: float,
    a_zero: int = 0,
    b_zero: int = 0,
    output_zero: int = 0,
    low: int = -128,
    high: int = 127,
) -> Add:
    """The integer addition of two real grids: both multipliers share one shift, 23 bits precise."""
    ratios = (a_scale / output_scale, b_scale / output_scale)
    _, shift = multiplier_for(max(ratios), bits=23)
    return Add(
        a_multiplier=int(np.rint(ratios[0] * 2.0**shift)),
        b_multiplier=int(np.rint(ratios[1] * 2.0**shift)),
        shift=shift,
        a_zero=a_zero,
        b_zero=b_zero,
        zero_point=output_zero,
        low=low,
        high=high,
    )
