"""Column sums without multiplication, by tables of all sums of a few elements (compiled).

Activations enter in few bits. Elements form groups with :data:`INDEX_BITS` bits of a slice; a
table holds, for every value of these bits, their contribution to each column, and a sum adds one
table row per group: the method of the Four Russians (Arlazarov, Dinic, Kronrod, Faradzev 1970).
One addition so replaces up to six one-bit multiplications. Sums use 16 bits if the result fits;
intermediate sums may wrap.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cim.cim_spec import CimSpec

__all__ = ["LARGEST_DAC", "SubsetSums"]

LARGEST_DAC = 4
"""Most bits at a time for which tables are faster than a matrix product."""

INDEX_BITS = 6
"""Most index bits of a table: larger tables do not fit the caches."""
_WIDTH = 128
"""Columns per block: the tables of a few groups then fit the first-level cache."""
_TOGETHER = 4
"""Groups added at a time."""
_VECTORS = 64
_LINE = 64
"""Bytes of a cache line."""

Sums = NDArray[Any]
Digits = NDArray[np.uint8]


class SubsetSums:
    """Computes column sums for given cells.

    Parameters
    ----------
    cells : int32 [columns, k]
        Charges (:func:`models.cim.golden.macro.cell_sums`).
    spec : CimSpec
        With ``dac_bits`` of at most :data:`INDEX_BITS`.
    """

    def __init__(self, cells: NDArray[np.int32], spec: CimSpec) -> None:
        columns, k = cells.shape
        self._dac_bits = spec.dac_bits
        self._elements = INDEX_BITS // spec.dac_bits
        step = self._elements * _TOGETHER
        self._groups = -(-k // step) * _TOGETHER
        blocks = -(-columns // _WIDTH)
        drive = (1 << spec.dac_bits) - 1
        self._type = _narrowest(
            int(np.minimum(cells, 0).sum(1, dtype=np.int64).min(initial=0)) * drive,
            int(np.maximum(cells, 0).sum(1, dtype=np.int64).max(initial=0)) * drive,
        )
        padded = np.zeros((self._groups * self._elements, blocks * _WIDTH), dtype=self._type)
        padded[:k, :columns] = cells.T
        entries = 1 << self._elements * spec.dac_bits
        self._tables = _aligned((blocks, self._groups, entries, _WIDTH), self._type)
        _filler()(padded, self._dac_bits, self._elements, self._tables)

    def __call__(self, acts: Digits) -> Sums:
        """Return the sums for digits ``[n, k]``: ``[blocks, n, columns of a block]``."""
        count = len(acts)
        groups = np.zeros((count, self._groups * self._elements), dtype=np.uint8)
        groups[:, : acts.shape[1]] = acts
        index = groups[:, :: self._elements].copy()
        for element in range(1, self._elements):
            index |= groups[:, element :: self._elements] << np.uint8(element * self._dac_bits)
        # Sums are read column by column: an odd number of cache lines between vectors uses all sets
        # of the cache.
        width = _WIDTH + _LINE // self._type.itemsize
        sums = _aligned((len(self._tables), count, width), self._type)
        sums[...] = 0
        _adder()(self._tables, index, sums)
        return sums[:, :, :_WIDTH]


def _narrowest(low: int, high: int) -> np.dtype[Any]:
    for kind in (np.uint16, np.int16):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.int32)


def _aligned(shape: tuple[int, ...], kind: np.dtype[Any]) -> Sums:
    size = int(np.prod(shape)) * kind.itemsize
    raw = np.empty(size + _LINE, dtype=np.uint8)
    begin = -raw.ctypes.data % _LINE
    return raw[begin : begin + size].view(kind).reshape(shape)


@cache
def _filler() -> Callable[..., None]:
    import numba

    compiled: Callable[..., Any] = numba.njit(nogil=True, error_model="numpy")

    @compiled
    def fill(cells: Any, dac_bits: Any, elements: Any, tables: Any) -> None:
        blocks, groups, entries, width = tables.shape
        for block in range(blocks):
            for group in range(groups):
                rows = tables[block, group]
                rows[0] = 0
                for value in range(1, entries):
                    # The row of the value without its lowest set bit, plus that bit's cells.
                    bit = 0
                    while not value >> bit & 1:
                        bit += 1
                    cell = cells[group * elements + bit // dac_bits]
                    rest, row = rows[value & value - 1], rows[value]
                    for column in range(width):
                        more = cell[block * width + column] << bit % dac_bits
                        row[column] = rest[column] + more

    made: Callable[..., None] = fill
    return made


@cache
def _adder() -> Callable[..., None]:
    import numba

    uint64: Any = numba.types.uint64
    compiled: Callable[..., Any] = numba.njit(nogil=True, error_model="numpy")

    @compiled
    def add(tables: Any, index: Any, sums: Any) -> None:
        blocks, groups = tables.shape[:2]
        count, row = sums.shape[1], uint64(sums.shape[2])
        # Flat arrays with unsigned indices: numba tests signed ones for being negative.
        table = uint64(tables.shape[2] * _WIDTH)
        entries, digits, into = tables.reshape(-1), index.reshape(-1), sums.reshape(-1)
        for block in range(blocks):
            for first in range(0, count, _VECTORS):
                for group in range(0, groups, _TOGETHER):
                    begin = uint64(block * groups + group) * table
                    for vector in range(first, min(first + _VECTORS, count)):
                        digit = uint64(vector * groups + group)
                        a = begin + uint64(digits[digit]) * uint64(_WIDTH)
                        b = begin + uint64(digits[digit + uint64(1)]) * uint64(_WIDTH) + table
                        c = begin + uint64(digits[digit + uint64(2)]) * uint64(_WIDTH)
                        d = begin + uint64(digits[digit + uint64(3)]) * uint64(_WIDTH) + table
                        c += uint64(2) * table
                        d += uint64(2) * table
                        at = uint64(block * count + vector) * row
                        for column in range(_WIDTH):
                            i = uint64(column)
                            four = entries[a + i] + entries[b + i] + entries[c + i] + entries[d + i]
                            into[at + i] += four

    made: Callable[..., None] = add
    return made
