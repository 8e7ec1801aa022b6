"""Conversions by table: a fast equivalent of :func:`models.cim.golden.adc.convert`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.cim.die import Die
from models.cim.fast.threshold_search import DECISION_BITS, Search
from models.cim.noise import Words, noise_byte

Sums = NDArray[np.int32]


class FastConverter:
    """Converts column sums, each step for all sums at once.

    The steps are those of :class:`models.cim.fast.threshold_search.Search`.

    Parameters
    ----------
    search : Search
        Search tables of the die.
    """

    def __init__(self, die: Die, search: Search) -> None:
        self._spec = die.spec
        self._noisy, self._sampled = search.noisy, search.sampled
        self._level, self._shift = search.level, search.shift
        columns, width = search.thresholds.shape
        first = np.arange(columns, dtype=np.int64)[:, None]
        below = 1 << self._level
        # The flat index of a code is its column's start plus the code.
        self.start = (first * width + below).astype(np.int32)
        pad = np.zeros(below, dtype=np.int32)
        self._thresholds = np.concatenate([pad, search.thresholds.ravel()])
        self._upper = np.ascontiguousarray(self._thresholds[below:])
        self._bin_start = (first * search.nearest.shape[1] - search.begin).astype(np.int32)
        begin = (first * width).astype(np.int32) << DECISION_BITS
        self._nearest = (search.nearest + begin).ravel()
        self._comparator = die.comparator.astype(np.int32)
        self._sampling = die.sampling.astype(np.int32)

    def flat(self, sums: Sums, words: Words | None) -> Sums:
        """Convert sums ``[columns, n]`` with noise words ``[words, columns, n]`` to flat indices.

        Returns
        -------
        int32 codes, each plus ``start`` of its column (``[columns, 1]``, or ``[1, 1]`` if all
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
        flat: Sums = code
        return flat

    def __call__(self, sums: Sums, words: Words | None) -> Sums:
        """Convert sums to codes."""
        code = self.flat(sums, words)
        code -= self.start
        if self._spec.relu:
            np.maximum(code, 1 << self._spec.adc_bits - 1, out=code)
        return code

    def _looked_up(self, table: Sums, index: NDArray[np.uint8]) -> Sums:
        # `take` is faster with an index of the native index type.
        found: Sums = table.take(index.astype(np.intp), mode="wrap")
        return found

    def _seen(self, sums: Sums, words: Words | None, packed: Sums) -> Sums:
        """Return the sums plus the comparator's noise in the decisions on packed thresholds."""
        if words is None:
            return sums
        decision = packed.view(np.uint32)
        word = words[0]
        for number in range(1, -(-self._spec.adc_bits // 4)):
            # A mask of ones if the decision's byte is in this word (bits 2 and 3: word's number).
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
