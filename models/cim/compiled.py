"""Conversions of :class:`models.cim.fast_adc.FastConverter`, compiled: its steps in one loop.

Needs numba (``pip install 'rowmac[fast]'``); without it the same steps run in numpy. A kernel is
made for each number of noisy decisions and kind of macro, so that nothing of them is left to its
loop: that takes a third off its time. Compiling takes a second, when first used in a process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from models.cim.noise import FINISH, FINISH_SHIFTS

__all__ = ["DECISION_BITS", "WORTH", "Kernel", "available", "kernel"]

WORTH = 1 << 21
"""Conversions from which on compiling is worth its time."""

DECISION_BITS = 4
"""Lowest bits of an entry of ``nearest``: the bit that is decided there; above them is the code."""

Kernel = Callable[..., Any]
"""A compiled function."""


@cache
def available() -> bool:
    """Whether there is a compiler."""
    return find_spec("numba") is not None


@cache
def kernel(
    level: int,
    adc_bits: int,
    *,
    noisy: bool,
    sampled: bool,
    relu: bool,
    skips: bool,
) -> Kernel:
    """The loop over columns and vectors.

    Its arguments, all indices in it flat:

    * ``sums``, float [slices * outputs, n], slice by slice; ``offsets``, int32, a column's to join
      them;
    * ``shared``, uint32 [words, n], and ``keys``, uint32, a column's: the noise;
    * ``gone``, bool [n]: vectors that are skipped, and ``skipped``, int32, their code;
    * ``start``, ``bins``, int32, a column's: index of its code 0, and of the sum 0 in ``nearest``;
      ``shift``: the logarithm of a bin of sums;
    * ``nearest``, int32: by bin of the sum, the code and the bit that is decided with it;
    * ``thresholds``, int32, by code; ``comparator``, ``sampling``, int32 [256]: the noise's tables;
    * ``factors``, int32, a slice's; ``total``, int32 [outputs, n]: codes times factors join it.

    Parameters
    ----------
    level : int
        Last decisions that are made one by one.
    noisy, sampled : bool
        Whether decisions and sums have noise.
    relu, skips : bool
        As of the macro (:class:`models.cim.spec.CimSpec`).
    """
    import numba

    types: Any = numba.types
    int32, uint32, uint64 = types.int32, types.uint32, types.uint64
    # Indices of numba's are unsigned wherever they can be: a signed one may count from the end,
    # which is looked at each time. Its integers widen unless they are told not to.
    first, second = (uint32(factor) for factor in FINISH)
    high, low = (uint32(by) for by in FINISH_SHIFTS)
    hashed = noisy or sampled
    words = -(-(adc_bits + 1) // 4)
    compiled: Callable[[Kernel], Kernel] = numba.njit(nogil=True, error_model="numpy")

    @compiled
    def finished(z: Any) -> Any:
        z = uint32(z * first)
        z = uint32(z ^ (z >> high))
        z = uint32(z * second)
        return uint32(z ^ (z >> low))

    @compiled
    def hashes(shared: Any, key: Any, noise: Any, more: Any) -> None:
        # A loop of its own, without look-ups: the compiler then does many at a time.
        for index in range(noise.shape[0]):
            word = uint64(finished(uint32(shared[0, index] ^ key)))
            if words > 1:
                word |= uint64(finished(uint32(shared[1, index] ^ key))) << uint64(32)
            noise[index] = word
        if words > 2:
            for index in range(noise.shape[0]):
                more[index] = finished(uint32(shared[2, index] ^ key))

    @compiled
    def noise_byte(noise: Any, more: Any, index: Any, byte: Any) -> Any:
        if words > 2 and byte >= uint64(8):
            return uint64(more[(uint64(index) << uint64(2)) + (byte - uint64(8))])
        return uint64(noise[(uint64(index) << uint64(3)) + byte])

    @compiled
    def run(
        sums: Any,
        offsets: Any,
        shared: Any,
        keys: Any,
        gone: Any,
        skipped: Any,
        start: Any,
        bins: Any,
        shift: Any,
        nearest: Any,
        thresholds: Any,
        comparator: Any,
        sampling: Any,
        factors: Any,
        total: Any,
    ) -> None:
        outputs, vectors = total.shape
        words_of_noise = np.empty(vectors, np.uint64)
        last_words = np.empty(vectors, np.uint32)
        noise, more = words_of_noise.view(np.uint8), last_words.view(np.uint8)
        for output in range(outputs):
            into = total[output]
            for plane in range(factors.shape[0]):
                at = plane * outputs + output
                if hashed:
                    hashes(shared, keys[at], words_of_noise, last_words)
                column, offset, bin_of_zero = sums[at], offsets[at], bins[at]
                code_of_zero, factor = start[at], factors[plane]
                for index in range(vectors):
                    value = int32(int32(column[index]) + offset)
                    if sampled:
                        byte = noise_byte(noise, more, index, uint64(adc_bits))
                        value = int32(value + sampling[byte])
                    packed = nearest[uint64(uint32(int32(value >> shift) + bin_of_zero))]
                    code = int32(packed >> int32(DECISION_BITS))
                    seen = value
                    if noisy:
                        decision = uint64(uint32(packed) & uint32((1 << DECISION_BITS) - 1))
                        byte = noise_byte(noise, more, index, decision)
                        seen = int32(value + comparator[byte])
                    passed = int32(seen >= thresholds[uint64(uint32(code + int32(1 << level)))])
                    code = int32(code + (passed << int32(level)))
                    for bit in range(level - 1, -1, -1):
                        if noisy:
                            byte = noise_byte(noise, more, index, uint64(bit))
                            seen = int32(value + comparator[byte])
                        passed = int32(seen >= thresholds[uint64(uint32(code + int32(1 << bit)))])
                        code = int32(code + (passed << int32(bit)))
                    code = int32(code - code_of_zero)
                    if relu:
                        code = max(code, int32(1 << adc_bits - 1))
                    if skips and gone[index]:
                        code = skipped
                    into[index] += int32(factor * code)

    made: Kernel = run
    return made
