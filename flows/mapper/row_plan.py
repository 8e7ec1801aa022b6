"""Assigns output channels to the rows of each tile, and their results to columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flows.mapper.place import MappingError
from models.machine.spec import MachineSpec
from models.numerics.rescale import Integers
from models.program.layout import ORDER_LANE_BITS, ORDER_WORD_BITS

_NONE = -1


@dataclass(frozen=True, kw_only=True)
class RowPlan:
    """Assignment of a product's columns to rows.

    Attributes
    ----------
    tiles : int
    columns : int array [tiles, rows]
        Written column of every result, in drain order; -1 for an idle row.
    order : bytes
        Entries of the row order, one per beat of results; empty if columns are in order.
    """

    tiles: int
    columns: Integers = field(repr=False)
    order: bytes = field(default=b"", repr=False)

    def channels(self, channel_of: Integers) -> Integers:
        """Return the channel of every row ``[tiles, rows]``; -1 for an idle row or padding."""
        return np.where(self.columns < 0, _NONE, channel_of[np.maximum(self.columns, 0)])


def plain_plan(columns: int, rows: int) -> RowPlan:
    """Assign columns in order, to as many tiles of ``rows`` rows as they need."""
    tiles = -(-columns // rows)
    flat = np.arange(tiles * rows).reshape(tiles, rows)
    return RowPlan(tiles=tiles, columns=np.where(flat < columns, flat, _NONE))


def classed_plan(spec: MachineSpec, fits: NDArray[np.bool_], bits: int) -> RowPlan:
    """Assign columns, word by word, to rows of classes that can hold their weights.

    All results of a beat go to one word. Each word takes beats in the array's order until all its
    columns are assigned. In a beat, rows with the fewest fitting columns choose first, and take the
    column that fits the fewest classes.

    Parameters
    ----------
    fits : bool array [columns, classes]
        True if the class can hold the column's weights; a column without any is not computed.
    bits : int
        Bits of a result.

    Raises
    ------
    MappingError
        If a column fits only classes that have no rows.
    """
    return _classed_plan(spec, fits.tobytes(), len(fits), bits)


@lru_cache(maxsize=64)
def _classed_plan(spec: MachineSpec, packed: bytes, columns: int, bits: int) -> RowPlan:
    """Plan with hashable arguments, so that equal blocks of a network are planned once."""
    fits = np.frombuffer(packed, dtype=np.bool_).reshape(columns, len(spec.classes))
    lanes, per_word = spec.vector_lanes, spec.word_bytes * 8 // bits
    kinds = np.repeat(np.arange(len(spec.classes)), [c.rows for c in spec.classes])
    kinds = kinds[list(spec.drain_order)]
    per_tile = spec.rows // lanes
    wanted: NDArray[np.bool_] = np.asarray(fits.any(axis=1))
    beats: list[Integers] = []
    for start in range(0, len(fits), per_word):
        left = [c for c in range(start, min(start + per_word, len(fits))) if wanted[c]]
        idle = 0
        while left:
            at = len(beats) % per_tile * lanes
            beat = _beat(kinds[at : at + lanes], fits, left)
            beats.append(beat)
            idle = 0 if (beat >= 0).any() else idle + 1
            if idle > per_tile:
                raise MappingError("every output channel must fit a row class of the machine")
            left = [c for c in left if c not in set(beat.tolist())]
    beats += [np.full(lanes, _NONE)] * (-len(beats) % per_tile)
    table = np.array(beats, dtype=np.int64).reshape(-1, spec.rows)
    table.flags.writeable = False
    return RowPlan(tiles=len(table), columns=table, order=_order(spec, table, bits))


def _beat(kinds: Integers, fits: NDArray[np.bool_], left: Sequence[int]) -> Integers:
    """Return the columns of one beat: one per row, -1 for an idle row."""
    beat = np.full(len(kinds), _NONE, dtype=np.int64)
    free = list(left)
    candidates = {int(k): int(fits[free, k].sum()) for k in np.unique(kinds)}
    for row in sorted(range(len(kinds)), key=lambda r: candidates[int(kinds[r])]):
        fitting = [c for c in free if fits[c, kinds[row]]]
        if fitting:
            chosen = min(fitting, key=lambda c: (int(fits[c].sum()), c))
            beat[row] = chosen
            free.remove(chosen)
    return beat


def _order(spec: MachineSpec, table: Integers, bits: int) -> bytes:
    """Encode the row order: an entry for each beat (see :mod:`models.program.layout`)."""
    step = bits // 8
    per_word = spec.word_bytes // step
    beats = table.reshape(-1, spec.vector_lanes)
    entries = np.zeros((len(beats), spec.word_bytes), dtype=np.uint8)
    # Each column of an entry holds two bits of the word's number, so few columns limit it.
    most = 1 << min(ORDER_WORD_BITS, 2 * spec.word_bytes)
    for index, beat in enumerate(beats):
        lanes = np.flatnonzero(beat >= 0)
        if not lanes.size:
            continue
        words = beat[lanes] // per_word
        word = int(words[0])
        assert (words == word).all()
        if word >= most:
            raise MappingError(f"a row of results must be at most {most} words, not {word + 1}")
        for part in range(step):
            entries[index, beat[lanes] % per_word * step + part] = 1 << ORDER_LANE_BITS | lanes
        for digit in range(min(ORDER_WORD_BITS // 2, spec.word_bytes)):
            entries[index, digit] |= (word >> 2 * digit & 3) << 6
    return entries.tobytes()
