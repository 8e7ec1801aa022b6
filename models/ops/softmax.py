"""Softmax over the keys of an attention row, in integers.

Source: HG-PIPE's integer softmax (exponential by table, reciprocal by table).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.numerics.rescale import Integers, Rounding, rescale
from models.ops.row_function import RowFunction, Segment, reciprocal_table, row_function

SUM_LIMIT = 1 << 31
"""What the sum of a row's exponentials stays below."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Softmax:
    """Softmax over the last axis.

    ::

        c = clamp((max(x) - x + offset) >> input_shift, 0, len(exp) - 1)
        e = exp[c]
        r, s = reciprocal(sum(e))
        y = clamp(round(e * r / 2**s) + zero_point, low, high)

    Parameters
    ----------
    exp : int array, 1 to 1024 entries of 16 unsigned bits
    offset : int, 24 signed bits; input_shift : int, 0 to 15
    """

    exp: Integers
    reciprocal: RowFunction
    offset: int = 0
    input_shift: int = 0
    rounding: Rounding = Rounding.HALF_UP
    zero_point: int = 0
    low: int = -128
    high: int = 127

    def __post_init__(self) -> None:
        exp = np.asarray(self.exp, dtype=np.int64)
        object.__setattr__(self, "exp", exp)
        if exp.ndim != 1 or not 1 <= len(exp) <= 1024:
            raise ValueError(f"softmax table must be 1 to 1024 entries, not shape {exp.shape}")
        if exp.min() < 0 or exp.max() > 0xFFFF:
            raise ValueError("softmax table entries must be 0 to 65535")
        if not -(1 << 23) <= self.offset < 1 << 23:
            raise ValueError(f"softmax offset must fit 24 signed bits, not {self.offset}")
        if not 0 <= self.input_shift <= 15:
            raise ValueError(f"softmax input shift must be 0 to 15, not {self.input_shift}")


def softmax(x: ArrayLike, spec: Softmax) -> Integers:
    """Golden of :class:`Softmax`: codes ``[..., keys]`` to codes of the same shape."""
    codes = np.asarray(x, dtype=np.int64)
    distance = codes.max(axis=-1, keepdims=True) - codes
    cursor = (distance + spec.offset) >> spec.input_shift
    e = spec.exp[np.clip(cursor, 0, len(spec.exp) - 1)]
    total = e.sum(axis=-1, keepdims=True)
    if total.size and total.max() >= SUM_LIMIT:
        raise OverflowError("softmax sum must fit 32 signed bits")
    entry, shift = row_function(total, spec.reciprocal)
    y = rescale(e, entry, shift, spec.rounding) + spec.zero_point
    return np.clip(y, spec.low, spec.high)


def softmax_spec(
    *,
    input_scale: float,
    output_scale: float,
    output_zero: int,
    input_bits: int = 8,
    low: int = -128,
    high: int = 127,
) -> Softmax:
    """The integer softmax closest to a real one on the given grids.

    Codes of 8 bits index the table directly (every distance 0..255 has its own entry). Codes of
    16 bits share bins; beyond ``exp(-16)`` every entry is 0.
    """
    entries, input_shift = 256, 0
    if input_bits > 8:
        entries = 1024
        span = 16.0 / input_scale
        input_shift = int(np.clip(np.ceil(np.log2(max(span / entries, 1.0))), 0, 15))
    step = input_scale * 2.0**input_shift
    half = (1 << input_shift) >> 1
    exp = np.rint(65535 * np.exp(-step * np.arange(entries))).astype(np.int64)
    table, out_shift = reciprocal_table(1.0 / output_scale)
    return Softmax(
        exp=exp,
        offset=half,
        input_shift=input_shift,
        reciprocal=RowFunction(
            table=table,
            first=Segment(offset=0, shift=0, last=0, out_shift=out_shift),
            floating=True,
        ),
        zero_point=output_zero,
        low=low,
        high=high,
    )
