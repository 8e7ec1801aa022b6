"""Tables that shorten a converter's search to the decisions that noise can change.

Noise is bounded by its table, so a decision is certain if its threshold is further away than that
bound. Among the multiples of some ``2**L``, only the decision on the nearest threshold is then
uncertain. A table of some hundred bins of the sum gives this multiple; it and the ``L`` last bits
are decided with noise, as in the converter. ``L`` is the smallest for which the thresholds are far
enough apart: 0 without noise, usually 1 or 2, and all bits at worst.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cim.die import Die
from models.numerics.rescale import Integers

__all__ = ["DECISION_BITS", "ENTRIES", "Search"]

DECISION_BITS = 4
"""Lowest bits of an entry of ``nearest``: number of the bit decided there; above is the code."""

ENTRIES = 1 << 18
"""Most entries of tables that are all in use at the same time."""
_FAR = 1 << 30


class Search:
    """Search tables for columns with these thresholds.

    Attributes
    ----------
    level : int
        Number of last decisions that are made one by one.
    shift : int
        Log2 of the width of a bin of sums.
    begin : int
        First bin: that of the lowest sum.
    noisy, sampled : bool
        Decisions have noise; sums have noise.
    thresholds : int32 [columns, 2**adc_bits + 1]
        Threshold of every code, the first and the last out of reach; one row if all columns have
        the same thresholds.
    nearest : uint16 [columns, bins]
        By bin of the sum, the multiple of ``2**level`` to decide on and, in the lowest bits, the
        number of that decision. If the sum passes its threshold the code is at least this multiple,
        otherwise it is less, by at most ``2**level``.

    Parameters
    ----------
    thresholds : int64 [columns, 2**adc_bits]
    low, high : int
        Range of sums (without sampling noise).
    entries : int
        Most bins of all columns together.
    """

    def __init__(
        self, die: Die, thresholds: Integers, low: int, high: int, entries: int = ENTRIES
    ) -> None:
        bits = die.spec.adc_bits
        noise = reach = 0
        if die.dynamic:
            noise, reach = (int(np.abs(t).max()) for t in (die.comparator, die.sampling))
        self.noisy, self.sampled = noise > 0, reach > 0
        low, high = low - reach, high + reach
        shared = bool((thresholds == thresholds[:1]).all())
        table = np.clip(thresholds[:1] if shared else thresholds, -_FAR, _FAR)
        ends = np.full((len(table), 1), _FAR, dtype=np.int64)
        table = np.concatenate([-ends, table[:, 1:], ends], axis=1)
        self.level, self.shift = _level(table, noise, high - low, bits, entries)
        self.begin = low >> self.shift
        bins = (high >> self.shift) - self.begin + 1
        self.thresholds: NDArray[np.int32] = table.astype(np.int32)
        self.nearest = _nearest(table, self.level, self.begin << self.shift, self.shift, bins)


def _level(table: Integers, noise: int, span: int, bits: int, entries: int) -> tuple[int, int]:
    """Return the smallest ``L``, and log2 of the widest bins in reach of only one multiple."""
    for level in range(bits):
        inner = table[:, :: 1 << level][:, 1:-1]
        gap = int(np.diff(inner, axis=1).min()) if inner.shape[1] > 1 else _FAR
        room = gap - 2 * noise - 1
        if room < 1:
            continue
        shift = min(room.bit_length() - 1, max(span, 1).bit_length())
        if len(table) * ((span >> shift) + 1) <= entries:
            return level, shift
    return bits, max(span, 1).bit_length()


def _nearest(table: Integers, level: int, low: int, shift: int, bins: int) -> NDArray[np.uint16]:
    """Return, packed, the multiple of ``2**level`` with the threshold nearest to each bin."""
    multiples = table[:, :: 1 << level]
    # First bin that is nearer to the next multiple: after the midpoint of both thresholds.
    middle = (multiples[:, :-1] + multiples[:, 1:]) >> 1
    start = np.clip(((middle - low - (1 << shift >> 1)) >> shift) + 1, 0, bins)
    count = np.diff(start, prepend=0, append=bins, axis=1)
    codes = np.arange(count.shape[1]) << level
    nearest = np.repeat(np.tile(_packed(codes), len(table)), count.ravel())
    return nearest.reshape(len(table), bins)


def _packed(codes: Integers) -> NDArray[np.uint16]:
    """Pack codes, each with the number of its decision: its lowest set bit."""
    lowest = np.zeros_like(codes)
    for bit in range(1, int(codes[-1]).bit_length()):
        lowest[codes % (1 << bit) == 0] = bit
    packed: NDArray[np.uint16] = (codes << DECISION_BITS | lowest).astype(np.uint16)
    return packed
