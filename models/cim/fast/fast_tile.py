"""Columns with the weights of one tile of K: sums, conversions, and sums over slices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cim.fast.compiled import CompiledConverter
from models.cim.fast.fast_adc import FastConverter
from models.cim.fast.subsets import LARGEST_DAC, SubsetSums
from models.cim.fast.threshold_search import ENTRIES, Search
from models.cim.golden.macro import cell_sums
from models.cim.golden.weight_layout import DECODE_BITS, Layout
from models.cim.noise import Words, column_words
from models.numerics.rescale import Integers

__all__ = ["CompiledTile", "Searches", "Tile"]

Digits = NDArray[np.uint8]


class Searches:
    """Search tables of the converters, by outputs per tile (at most two numbers in a layer).

    Columns are ordered slice by slice, and within a slice output by output, so that a sum over
    slices is a matrix product.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._made: dict[tuple[int, int], Search] = {}
        spec, die = layout.spec, layout.die
        drive = (1 << spec.dac_bits) - 1
        self._high = int(die.caps.sum((0, 2)).max()) * drive
        self._low = -self._high if spec.signed else 0
        if layout.bias is not None:
            self._high += int(max(layout.bias.max(), 0))
            self._low += int(min(layout.bias.min(), 0))

    def of(self, outputs: int, entries: int) -> Search:
        """Return the tables for the columns of ``outputs`` outputs, with at most ``entries``."""
        if (outputs, entries) not in self._made:
            thresholds = self._layout.registers.thresholds[self._layout.by_slice(outputs)]
            self._made[outputs, entries] = Search(
                self._layout.die, thresholds, self._low, self._high, entries
            )
        return self._made[outputs, entries]


class Tile:
    """Columns of some outputs, computed by numpy.

    Attributes
    ----------
    rows : int
        Vectors per block.
    """

    conversions = 1 << 17
    """Conversions per block."""
    entries = ENTRIES
    """Most entries of the search tables."""

    def __init__(self, layout: Layout, tile: int, part: slice, searches: Searches) -> None:
        self._layout = layout
        die, factors = layout.die, layout.slices.factors
        digits, columns = layout.tile_digits(tile, part)
        self._outputs, self._planes = part.stop - part.start, len(factors)
        order = layout.by_slice(self._outputs)
        self._columns = columns[order]
        self._keys = die.column_keys[self._columns]
        self._factors = factors
        self._signs = None
        if layout.slices.signs is not None:
            self._signs = layout.slices.signs[part, tile, None]
        self._bias = None if layout.bias is None else layout.bias[part].astype(np.int32)
        self.rows = max(1, self.conversions // len(columns))
        search = searches.of(self._outputs, self.entries)
        self._make(cell_sums(digits[order], die, self._columns), search)

    def _make(self, cells: NDArray[np.int32], search: Search) -> None:
        spec = self._layout.spec
        self._cells = _as_floats(cells, spec.dac_bits)
        self._converter = FastConverter(self._layout.die, search)
        # Thin: codes decode to themselves, so their start is subtracted once, after the sum.
        self._thin = self._layout.decode is None and not spec.relu
        start = np.broadcast_to(self._converter.start, (len(cells), 1)).reshape(self._planes, -1)
        self._start = (self._factors @ start)[:, None]

    @property
    def skipped(self) -> Integers:
        """Result of a skipped vector, ``[outputs, 1]``."""
        value = np.full((self._outputs, 1), self._layout.zero * int(self._factors.sum()))
        return value if self._signs is None else value * self._signs

    def run(self, acts: Digits, shared: Words | None) -> Integers:
        """Return sums over the slices of decoded codes, ``[outputs, n]``."""
        summed = self._summed(acts, shared)
        if self._signs is not None:
            summed *= self._signs
        return summed

    def _summed(self, acts: Digits, shared: Words | None) -> Integers:
        sums = (self._cells @ acts.astype(self._cells.dtype).T).astype(np.int32)
        if self._bias is not None:
            sums += self._bias[:, None]
        words = None if shared is None else column_words(shared, self._keys)
        if not self._thin:
            return self._over_slices(self._decoded(self._converter(sums, words)))
        summed = self._over_slices(self._converter.flat(sums, words))
        summed -= self._start
        summed <<= DECODE_BITS
        return summed

    def _over_slices(self, value: NDArray[np.int32] | Integers) -> Integers:
        cube = value.reshape(self._planes, -1).astype(np.float64)
        product = self._factors.astype(np.float64)[None] @ cube
        summed: Integers = product.reshape(self._outputs, -1).astype(np.int64)
        return summed

    def _decoded(self, codes: NDArray[np.int32]) -> Integers:
        if self._layout.decode is None:
            return codes.astype(np.int64) << DECODE_BITS
        decoded: Integers = self._layout.decode[self._columns[:, None], codes]
        return decoded


class CompiledTile(Tile):
    """A compiled tile, for codes that decode to themselves."""

    conversions = 1 << 18
    entries = 1 << 20
    """Most entries of the search tables; more than in numpy, as only one column's are in use."""

    def _make(self, cells: NDArray[np.int32], search: Search) -> None:
        spec = self._layout.spec
        self._subsets = self._floats = None
        if spec.dac_bits <= LARGEST_DAC:
            self._subsets = SubsetSums(cells, spec)
        else:
            self._floats = _as_floats(cells, spec.dac_bits)
        self._compiled = CompiledConverter(self._layout.die, search, biased=self._bias is not None)
        self._offsets = np.zeros(len(cells), np.int32) if self._bias is None else self._bias

    def _summed(self, acts: Digits, shared: Words | None) -> Integers:
        if self._subsets is not None:
            sums = self._subsets(acts)
        else:
            assert self._floats is not None
            sums = (self._floats @ acts.astype(self._floats.dtype).T)[:, :, None]
        summed: Integers = self._compiled(
            sums,
            self._offsets,
            self._factors,
            shared=np.zeros((0, 0), np.uint32) if shared is None else np.ascontiguousarray(shared),
            keys=self._keys,
        ).astype(np.int64)
        summed <<= DECODE_BITS
        return summed


def _as_floats(cells: NDArray[np.int32], dac_bits: int) -> NDArray[Any]:
    """Convert cells to a float type in which all sums are exact."""
    bound = int(np.abs(cells).sum(1).max(initial=0)) * ((1 << dac_bits) - 1)
    return cells.astype(np.float32 if bound < 1 << 24 else np.float64)
