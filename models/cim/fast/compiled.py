"""Conversions by table, compiled: all steps of the search in one loop.

Needs numba (``pip install 'rowmac[fast]'``); without it the same steps run in numpy
(:mod:`models.cim.fast.fast_adc`, by :class:`models.cim.fast.threshold_search.Search`). A kernel is
specialised for each number of noisy decisions and kind of macro, so that its loop does not branch
on them. Compilation takes a second, on first use in a process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cim.die import Die
from models.cim.fast.compiled_noise import hashes
from models.cim.fast.threshold_search import DECISION_BITS, Search
from models.cim.noise import Words
from models.numerics.rescale import Integers

__all__ = ["WORTH", "CompiledConverter", "available"]

WORTH = 1 << 21
"""Number of conversions from which on compilation pays off."""

_NOISE = 256
"""Entries of a noise table."""


@cache
def available() -> bool:
    """Test that numba is installed."""
    return find_spec("numba") is not None


class CompiledConverter:
    """Converts column sums and adds the slices of each output.

    Parameters
    ----------
    search : Search
        Search tables of the die.
    biased : bool
        Offsets are added to the sums.
    """

    def __init__(self, die: Die, search: Search, *, biased: bool) -> None:
        self._search = search
        self._noise = np.concatenate([die.sampling, die.comparator]).astype(np.int32)
        self._run = _kernel(
            search.level,
            die.spec.adc_bits,
            noisy=search.noisy,
            sampled=search.sampled,
            biased=biased,
            relu=die.spec.relu,
        )

    def __call__(
        self,
        sums: NDArray[Any],
        offsets: NDArray[np.int32],
        factors: Integers,
        *,
        shared: Words,
        keys: Words,
    ) -> NDArray[np.int32]:
        """Return codes summed over slices.

        Parameters
        ----------
        sums : [blocks, n, columns of a block]
            Integral sums; columns slice by slice, the last block padded.
        offsets : int32 [slices * outputs]
            Added to the sums if ``biased``.
        factors : int64 [slices]
        shared : uint32 [words, n]; keys : uint32 [slices * outputs]
            Noise (:mod:`models.cim.noise`); without noise neither is read.

        Returns
        -------
        int32 [outputs, n]
        """
        search = self._search
        total = np.zeros((len(keys) // len(factors), sums.shape[1]), dtype=np.int32)
        self._run(
            sums, offsets, shared, keys, np.int32(search.begin), np.int32(search.shift),
            search.nearest, search.thresholds, self._noise,
            factors.astype(np.int32), total,
        )  # fmt: skip
        return total


@cache
def _kernel(
    level: int,
    adc_bits: int,
    *,
    noisy: bool,
    sampled: bool,
    biased: bool,
    relu: bool,
) -> Callable[..., None]:
    import numba

    types: Any = numba.types
    int32, uint32, uint64 = types.int32, types.uint32, types.uint64
    # Unsigned indices: numba tests every signed index for being negative (from the end). Explicit
    # integer types: numba widens integers otherwise.
    _, finished = hashes()
    hashed = noisy or sampled
    words = -(-(adc_bits + 1) // 4)
    # Log2 of the bytes of noise per vector.
    stride = 4 if words > 2 else 3
    compiled: Callable[..., Any] = numba.njit(nogil=True, error_model="numpy")

    @compiled
    def hash_words(shared: Any, key: Any, noise: Any) -> None:
        # A separate loop without look-ups, which the compiler can vectorise.
        for index in range(shared.shape[1]):
            word = uint64(finished(uint32(shared[0, index] ^ key)))
            if words > 1:
                word |= uint64(finished(uint32(shared[1, index] ^ key))) << uint64(32)
            if words > 2:
                at = uint64(index) << uint64(1)
                noise[at] = word
                noise[at + uint64(1)] = finished(uint32(shared[2, index] ^ key))
            else:
                noise[index] = word

    @compiled
    def noise_byte(noise: Any, index: Any, byte: Any) -> Any:
        return uint64(noise[(uint64(index) << uint64(stride)) + uint64(byte)])

    @compiled
    def run(
        sums: Any,
        offsets: Any,
        shared: Any,
        keys: Any,
        begin: Any,
        shift: Any,
        nearest: Any,
        thresholds: Any,
        tables: Any,
        factors: Any,
        total: Any,
    ) -> None:
        outputs, vectors = total.shape
        width = sums.shape[2]
        words_of_noise = np.empty(vectors << stride - 3, np.uint64)
        noise = words_of_noise.view(np.uint8)
        values = np.empty(vectors, np.int32)
        codes = np.empty(vectors, np.uint32)
        for output in range(outputs):
            into = total[output]
            for plane in range(factors.shape[0]):
                at = plane * outputs + output
                if hashed:
                    hash_words(shared, keys[at], words_of_noise)
                block, within = sums[at // width], uint64(at % width)
                offset, factor = offsets[at], factors[plane]
                # Tables have one row per column, or one row for all.
                entries = nearest[min(at, nearest.shape[0] - 1)]
                limits = thresholds[min(at, thresholds.shape[0] - 1)]
                # One loop per decision: in a common loop too few vectors are in flight to hide the
                # latency of their dependent look-ups.
                for index in range(vectors):
                    value = int32(block[uint64(index), within])
                    if biased:
                        value = int32(value + offset)
                    if sampled:
                        value = int32(value + tables[noise_byte(noise, index, adc_bits)])
                    values[index] = value
                    codes[index] = entries[uint64(uint32(int32(value >> shift) - begin))]
                for index in range(vectors):
                    packed, seen = codes[index], values[index]
                    code = uint32(packed >> uint32(DECISION_BITS))
                    if noisy:
                        decision = packed & uint32((1 << DECISION_BITS) - 1)
                        byte = noise_byte(noise, index, decision)
                        seen = int32(seen + tables[byte + uint64(_NOISE)])
                    passed = uint32(seen >= limits[uint64(code)])
                    codes[index] = uint32(code + uint32(passed - uint32(1) << uint32(level)))
                for bit in range(level - 1, -1, -1):
                    for index in range(vectors):
                        code, seen = codes[index], values[index]
                        if noisy:
                            byte = noise_byte(noise, index, bit)
                            seen = int32(seen + tables[byte + uint64(_NOISE)])
                        passed = uint32(seen >= limits[uint64(uint32(code + uint32(1 << bit)))])
                        codes[index] = uint32(code + uint32(passed << uint32(bit)))
                for index in range(vectors):
                    signed = int32(codes[index])
                    if relu:
                        signed = max(signed, int32(1 << adc_bits - 1))
                    into[index] += int32(factor * signed)

    made: Callable[..., None] = run
    return made
