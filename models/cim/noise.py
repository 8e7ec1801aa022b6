"""Noise from a counter-based hash: it depends on column and conversion, not on execution order.

All arithmetic is on unsigned 32-bit words. ``mix`` has full avalanche (two multiplications; one
unit serves the whole macro), and each column has a few cheap last rounds:

* ``run_key = mix(noise_key + run)``; a *run* is one image from the machine's start.
* ``conversion``: number of a column's conversion since the start of the run, from 0. All columns
  convert at the same time, so they share it: ``first + (tile * tokens + token) * slices + slice``,
  ``tile = output_tile * k_tiles + k_tile``. A product goes tile by tile, within a tile token by
  token, within a token activation slice by slice, most significant last. ``first`` is the number
  at its begin. Skipped conversions count as well.
* ``shared[w] = mix(run_key ^ (conversion * 4 + w))`` for words ``w = 0, 1, 2``.
* ``z = shared[w] ^ column_key[column]``; ``z *= FINISH[0]``; ``z ^= z >> 15``; ``z *= FINISH[1]``;
  ``z ^= z >> 14``. Each factor has three bits set: four additions in hardware. Correlation between
  columns is that of independent noise to 1.2 % of its own spread.
* Byte ``i`` of the conversion is byte ``i mod 4`` (the lowest is 0) of word ``i // 4``. Byte ``b``
  belongs to the decision on bit ``b`` (0 the least significant), byte ``adc_bits`` to sampling.
* A byte is an index to a table of 256 integers in units of ``2**-F`` count (:func:`gaussian`).

``mix`` is the two-round multiply-xorshift permutation with the published constants of the "hash
prospector" search (C. Wellons, 2018, public domain).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.numerics.rescale import Integers

Words = NDArray[np.uint32]

MIX = (0x7FEB352D, 0x846CA68B)
"""Factors of ``mix``."""
MIX_SHIFTS = (16, 15, 16)
FINISH = (1 + (1 << 3) + (1 << 12), 1 + (1 << 10) + (1 << 20))
"""Factors of a column's last rounds."""
FINISH_SHIFTS = (15, 14)


def mix(x: ArrayLike) -> Words:
    """Permute 32-bit words such that every input bit affects every output bit."""
    v = np.array(x, dtype=np.uint32)
    v ^= v >> np.uint32(MIX_SHIFTS[0])
    for factor, shift in zip(MIX, MIX_SHIFTS[1:], strict=True):
        v *= np.uint32(factor)
        v ^= v >> np.uint32(shift)
    return v


def column_keys(seed: int, columns: int) -> Words:
    """Return the key of every column of a die, ``[columns]``."""
    index = np.arange(columns, dtype=np.uint32)
    return mix(mix(index ^ mix(np.uint32(seed & 0xFFFFFFFF))) + np.uint32(0x9E3779B9))


def noise_key(seed: int) -> int:
    """Return the key of a die's noise."""
    return int(mix(np.uint32((seed ^ 0x5851F42D) & 0xFFFFFFFF)))


def run_keys(key: int, runs: ArrayLike) -> Words:
    """Return the key of every run, for a die's ``key``."""
    return mix(np.asarray(runs, dtype=np.uint32) + np.uint32(key))


def shared_words(keys: ArrayLike, conversions: ArrayLike, words: int) -> Words:
    """Return the words of all columns: run keys and conversions ``[n]`` to ``[words, n]``."""
    counter = np.asarray(conversions, dtype=np.uint32) * np.uint32(4)
    each = counter[None] + np.arange(words, dtype=np.uint32)[:, None]
    return mix(each ^ np.asarray(keys, dtype=np.uint32)[None])


def column_words(shared: Words, keys: Words) -> Words:
    """Return each column's words ``[words, columns, n]``, from common words ``[words, n]``."""
    z = shared[:, None, :] ^ keys[None, :, None]
    for factor, shift in zip(FINISH, FINISH_SHIFTS, strict=True):
        z *= np.uint32(factor)
        z ^= z >> np.uint32(shift)
    return z


def noise_byte(words: Words, index: int) -> NDArray[np.uint8]:
    """Return byte ``index`` of words ``[words, ...]``."""
    chosen: NDArray[np.uint8] = (words[index // 4] >> np.uint32(8 * (index % 4))).astype(np.uint8)
    return chosen


def gaussian(sigma: float) -> Integers:
    """Return 256 integers of standard deviation ``sigma``: midpoints of equally likely intervals.

    Scaled such that the variance before rounding is exact; the largest is 2.9 sigma.
    """
    normal = NormalDist()
    points = np.array([normal.inv_cdf((i + 0.5) / 256) for i in range(256)])
    table: Integers = np.rint(points * (sigma / points.std())).astype(np.int64)
    return table
