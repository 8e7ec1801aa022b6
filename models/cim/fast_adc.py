"""Conversions by table: what :func:`models.cim.adc.convert` yields, in a fraction of the time.

Noise is bounded by its table. So a decision against a threshold that lies further away than that is
certain, and the search over all multiples of some ``2**L`` is certain but for the nearest of them.
A table of a few hundred bins of the sum says which one that is; it and the ``L`` last bits are
then decided with their noise, as the converter does. ``L`` is the smallest for which the
thresholds lie far enough apart: 0 without noise, 1 or 2 usually, and all bits at worst.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cim.compiled import DECISION_BITS, kernel
from models.cim.die import Die
from models.cim.noise import Words, noise_byte
from models.rescale import Integers

_FAR = 1 << 30
_ENTRIES = 1 << 18

Sums = NDArray[np.int32]


class FastConverter:
    """Converts sums of columns with these thresholds.

    Parameters
    ----------
    thresholds : int64 [columns, 2**adc_bits]
    low, high : int
        No sum lies outside (sampling noise not included).
    """

    def __init__(self, die: Die, thresholds: Integers, low: int, high: int) -> None:
        self._spec = die.spec
        bits = die.spec.adc_bits
        noise = reach = 0
        if die.dynamic:
            noise, reach = (int(np.abs(t).max()) for t in (die.comparator, die.sampling))
        self._noisy, self._sampled = noise > 0, reach > 0
        low, high = low - reach, high + reach
        shared = bool((thresholds == thresholds[:1]).all())
        table = np.clip(thresholds[:1] if shared else thresholds, -_FAR, _FAR)
        columns, width = len(table), (1 << bits) + 1
        ends = np.full((columns, 1), _FAR, dtype=np.int64)
        table = np.concatenate([-ends, table[:, 1:], ends], axis=1)
        first = np.arange(columns, dtype=np.int64)[:, None]
        self._level, self._shift = _level(table, noise, high - low, bits)
        below = 1 << self._level
        # Flat index of a code: its column's start and the code.
        self.start = (first * width + below).astype(np.int32)
        flat_table = table.astype(np.int32).ravel()
        self._thresholds = np.concatenate([np.zeros(below, dtype=np.int32), flat_table])
        self._upper = np.ascontiguousarray(self._thresholds[below:])
        begin = low >> self._shift
        bins = (high >> self._shift) - begin + 1
        self._bin_start = (first * bins - begin).astype(np.int32)
        nearest = _nearest(table, self._level, begin << self._shift, self._shift, bins)
        flat = nearest - below + self.start
        # With each its lowest set bit, which is the decision it belongs to.
        lowest = np.where(nearest > 0, np.log2(np.maximum(nearest & -nearest, 1)), 0)
        packed = (flat << DECISION_BITS) + np.minimum(lowest, bits - 1).astype(np.int64)
        self._nearest = packed.astype(np.int32).ravel()
        self._comparator = die.comparator.astype(np.int32)
        self._sampling = die.sampling.astype(np.int32)

    def flat(self, sums: Sums, words: Words | None) -> Sums:
        """Codes of sums ``[columns, n]`` with noise words ``[words, columns, n]``.

        Returns
        -------
        int32 codes, each plus ``start`` of its column (``[columns, 1]``, or ``[1, 1]`` where all
        columns have the same thresholds).
        """
        if words is not None and self._sampled:
            sampled = self._looked_up(self._sampling, noise_byte(words, self._spec.adc_bits))
            sampled += sums
            sums = sampled
        index = sums >> np.int32(self._shift)
        index += self._bin_start
        packed = self._nearest.take(index, mode="wrap")
        code = packed >> np.int32(DECISION_BITS)
        noisy = words if self._noisy else None
        passed = self._seen(sums, noisy, packed) >= self._upper.take(code, mode="wrap")
        code += _as_bit(passed, self._level)
        for bit in range(self._level - 1, -1, -1):
            seen = sums
            if noisy is not None:
                seen = self._looked_up(self._comparator, noise_byte(noisy, bit))
                seen += sums
            trial = self._thresholds[1 << bit :].take(code, mode="wrap")
            code += _as_bit(seen >= trial, bit)
        return code

    def summed(
        self,
        sums: NDArray[Any],
        offsets: Sums,
        factors: Integers,
        *,
        shared: Words,
        keys: Words,
        gone: NDArray[np.bool_],
        skipped: int,
    ) -> Sums:
        """Codes summed over the slices of each output, by a compiled loop.

        Parameters
        ----------
        sums : float [slices * outputs, n]
            Whole numbers, slice by slice.
        offsets : int32 [slices * outputs]
            Added to the sums.
        factors : int64 [slices]
        shared : uint32 [words, n]; keys : uint32 [slices * outputs]
            Noise (:mod:`models.cim.noise`); without noise neither is read.
        gone : bool [n]
            Vectors whose code is ``skipped``.

        Returns
        -------
        int32 [outputs, n]
        """
        columns = len(sums)
        start, bins = (
            np.ascontiguousarray(np.broadcast_to(one[:, 0], columns))
            for one in (self.start, self._bin_start)
        )
        total = np.zeros((columns // len(factors), sums.shape[1]), dtype=np.int32)
        run = kernel(
            self._level,
            self._spec.adc_bits,
            noisy=self._noisy,
            sampled=self._sampled,
            relu=self._spec.relu,
            skips=self._spec.zero_skip,
        )
        run(
            sums, offsets, shared, keys, gone, np.int32(skipped),
            start, bins, np.int32(self._shift), self._nearest, self._thresholds,
            self._comparator, self._sampling, factors.astype(np.int32), total,
        )  # fmt: skip
        return total

    def __call__(self, sums: Sums, words: Words | None) -> Sums:
        """The codes themselves."""
        code = self.flat(sums, words)
        code -= self.start
        if self._spec.relu:
            np.maximum(code, 1 << self._spec.adc_bits - 1, out=code)
        return code

    def _looked_up(self, table: Sums, index: NDArray[np.uint8]) -> Sums:
        # An index that is one already is taken faster.
        found: Sums = table.take(index.astype(np.intp), mode="wrap")
        return found

    def _seen(self, sums: Sums, words: Words | None, packed: Sums) -> Sums:
        """Sums as the comparator sees them when it decides on the packed thresholds."""
        if words is None:
            return sums
        decision = packed.view(np.uint32)
        word = words[0]
        for number in range(1, -(-self._spec.adc_bits // 4)):
            # All ones where the decision's byte is in this word: bits 2 and 3 are its number.
            other = (decision >> np.uint32(2)) & np.uint32(3)
            other = np.equal(other, np.uint32(number)).astype(np.uint32)
            np.negative(other, out=other)
            other &= words[0] ^ words[number]
            word = np.bitwise_xor(word, other, out=other)
        shift = decision & np.uint32(3)
        shift <<= np.uint32(3)
        np.right_shift(word, shift, out=shift)
        seen = self._looked_up(self._comparator, shift.astype(np.uint8))
        seen += sums
        return seen


def _as_bit(passed: NDArray[np.bool_], bit: int) -> Sums:
    value: Sums = passed.astype(np.int32)
    if bit:
        value <<= np.int32(bit)
    return value


def _level(table: Integers, noise: int, span: int, bits: int) -> tuple[int, int]:
    """Smallest ``L`` and the largest bins, as a shift, in which one multiple is in reach."""
    for level in range(bits):
        inner = table[:, :: 1 << level][:, 1:-1]
        gap = int(np.diff(inner, axis=1).min()) if inner.shape[1] > 1 else _FAR
        room = gap - 2 * noise - 1
        if room < 1:
            continue
        shift = min(room.bit_length() - 1, max(span, 1).bit_length())
        if len(table) * ((span >> shift) + 1) <= _ENTRIES:
            return level, shift
    return bits, max(span, 1).bit_length()


def _nearest(table: Integers, level: int, low: int, shift: int, bins: int) -> Integers:
    """Multiple of ``2**level`` whose threshold is nearest to each bin's middle."""
    multiples = table[:, :: 1 << level]
    # The bin from which on the next multiple is nearer: behind the middle between the two.
    middle = (multiples[:, :-1] + multiples[:, 1:]) >> 1
    start = np.clip(((middle - low - (1 << shift >> 1)) >> shift) + 1, 0, bins)
    columns = len(table)
    flat = start + np.arange(columns)[:, None] * (bins + 1)
    begun = np.bincount(flat.ravel(), minlength=columns * (bins + 1))
    count: Integers = begun.reshape(columns, bins + 1).cumsum(1)[:, :bins]
    return count << level
