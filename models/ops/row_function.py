"""A scalar function of one unsigned number per row: reciprocal square root, reciprocal.

One table in two manners. *Linear*: the index is a shifted, clamped value, in one segment or two
(HG-PIPE). *Floating*: the value is normalised to ten leading bits, so the relative error is the
same over the whole range; the exponent becomes a shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.numerics.rescale import SHIFT_MAX, Integers

ROW_TABLE_ENTRIES = 1024
INDEX_BITS = 10
VALUE_BITS = 48


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Linear segment: ``index = base + clamp((v + offset) >> shift, 0, last)``.

    ``out_shift`` is the right shift that goes with the entries of this segment.
    """

    offset: int
    shift: int
    last: int
    base: int = 0
    out_shift: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.shift <= 47:
            raise ValueError(f"segment shift must be 0 to 47, not {self.shift}")
        if not 0 <= self.base + self.last < ROW_TABLE_ENTRIES:
            raise ValueError(
                f"segment end must be below {ROW_TABLE_ENTRIES}, not {self.base + self.last}"
            )
        if not 0 <= self.out_shift <= SHIFT_MAX:
            raise ValueError(f"segment output shift must be 0 to {SHIFT_MAX}, not {self.out_shift}")
        if not -(1 << 47) <= self.offset < 1 << 47:
            raise ValueError(f"segment offset must fit 48 signed bits, not {self.offset}")


@dataclass(frozen=True, kw_only=True, eq=False)
class RowFunction:
    """``v -> (table entry, right shift)``.

    Parameters
    ----------
    table : int array, up to 1024 entries of 16 unsigned bits
    first, second : Segment
        Linear manner; ``second`` is used where the first index exceeds ``first.last``.
    floating : bool
        Floating manner: ``w = v + first.offset`` (at least 0), ``p = bit_length(w)`` (rounded up
        to even if ``even``), index = the top ten bits of ``w`` below ``2**p``, shift =
        ``first.out_shift + p`` (``p / 2`` if ``even``).
    even : bool
        For functions of the square root.
    """

    table: Integers
    first: Segment
    second: Segment | None = None
    floating: bool = False
    even: bool = False

    def __post_init__(self) -> None:
        table = np.asarray(self.table, dtype=np.int64)
        object.__setattr__(self, "table", table)
        if table.ndim != 1 or not 1 <= len(table) <= ROW_TABLE_ENTRIES:
            raise ValueError(
                f"row table must be 1 to {ROW_TABLE_ENTRIES} entries, not shape {table.shape}"
            )
        if table.min() < 0 or table.max() > 0xFFFF:
            raise ValueError("row table entries must be 0 to 65535")
        if self.floating and len(table) != ROW_TABLE_ENTRIES:
            raise ValueError(
                f"floating row table must be {ROW_TABLE_ENTRIES} entries, not {len(table)}"
            )
        for segment in (self.first, self.second):
            if segment and not self.floating and segment.base + segment.last >= len(table):
                raise ValueError(f"segment must end inside {len(table)} entries, not {segment}")


def bit_length(v: ArrayLike) -> Integers:
    """Bits of non-negative integers below 2**52; 0 has none."""
    # frexp is exact for integers below 2**53: exponent = bit length.
    return np.frexp(np.asarray(v, dtype=np.float64))[1].astype(np.int64)


def row_function(v: ArrayLike, spec: RowFunction) -> tuple[Integers, Integers]:
    """Golden of :class:`RowFunction`: int64 ``v`` of any shape to ``(entry, shift)``."""
    value = np.asarray(v, dtype=np.int64)
    if spec.floating:
        shifted = np.clip(value + spec.first.offset, 0, (1 << VALUE_BITS) - 1)
        length = bit_length(shifted)
        point = length + (length & 1) if spec.even else length
        down, up = np.maximum(point - INDEX_BITS, 0), np.maximum(INDEX_BITS - point, 0)
        index = (shifted >> down) << up
        exponent = point >> 1 if spec.even else point
        return spec.table[index], exponent + spec.first.out_shift
    cursor = (value + spec.first.offset) >> spec.first.shift
    index = np.clip(cursor, 0, spec.first.last) + spec.first.base
    shift = np.full(value.shape, spec.first.out_shift, dtype=np.int64)
    if spec.second is not None:
        far = cursor > spec.first.last
        other = (value + spec.second.offset) >> spec.second.shift
        index = np.where(far, np.clip(other, 0, spec.second.last) + spec.second.base, index)
        shift = np.where(far, spec.second.out_shift, shift)
    return spec.table[index], shift


def reciprocal_root_table() -> Integers:
    """Entries of ``2**19 / sqrt(index)`` at bin centres, for an even floating function.

    With ``p`` and ``t = table[index]`` of a value ``w``: ``1 / sqrt(w) = t * 2**(-p / 2 - 14)``
    to 0.1 %. Entries below 256 are only reached by 0.
    """
    index = np.arange(ROW_TABLE_ENTRIES)
    root = np.sqrt(np.maximum(index, 256) + 0.5)
    return np.minimum(np.rint(2.0**19 / root), 0xFFFF).astype(np.int64)


def reciprocal_table(gain: float) -> tuple[Integers, int]:
    """Entries and ``out_shift`` so that ``entry / 2**shift = gain / w`` for a floating function.

    ``gain`` in (0, 2**14]; relative error 0.1 %.
    """
    if not 0 < gain <= 1 << 14:
        raise ValueError(f"reciprocal gain must be above 0 and at most 16384, not {gain}")
    index = np.maximum(np.arange(ROW_TABLE_ENTRIES), ROW_TABLE_ENTRIES // 2) + 0.5
    # w = index * 2**(p - 10); gain / w = gain * 2**10 / index * 2**-p
    peak = gain * 2.0**INDEX_BITS / index[0]
    out_shift = 16 - int(np.ceil(np.log2(peak)))
    entries = np.rint(gain * 2.0 ** (INDEX_BITS + out_shift) / index)
    return np.minimum(entries, 0xFFFF).astype(np.int64), out_shift
