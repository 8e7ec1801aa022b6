"""Cuts a grouped convolution into passes that read only the words of their own channels.

A pass computes neighbouring output channels in whole result words. Its walk covers the scratchpad
words that hold the channels of their groups; weights are zero for other channels in these words.
One function cuts for one machine (the mapper) and for columns over many (the estimator).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.machine.spec import MachineSpec

__all__ = ["Array", "Grouped", "PassRead", "array_of", "pass_columns", "pass_read", "passes"]

Column = NDArray[np.int64]

_DESCRIPTORS = 3
"""Descriptors of a pass: weight tiles, walk, drain. One load brings the weights of all passes."""
_FETCH = 40
"""Cycles in which a descriptor is fetched, without its beats on the bus."""
_DESCRIPTOR_BITS = 1024
_TURN = 20
"""Cycles by which a pass delays the one behind it."""
_HALVES, _DOUBLES = 5, 4
_NEVER = 1 << 44


@dataclass(frozen=True, kw_only=True)
class Array:
    """What a cut depends on, as columns ``[n]`` over machines.

    Attributes
    ----------
    rows, vector_lanes, tokens, lanes, word_bytes, axi_width : as in a machine's specification
    depth_entries : beats of K that a tile holds
    fill : cycles in which a beat of K of a tile is written
    bus : bus beats of a beat of K of a tile, times ``tokens``
    """

    rows: Column
    vector_lanes: Column
    tokens: Column
    lanes: Column
    word_bytes: Column
    axi_width: Column
    depth_entries: Column
    fill: Column
    bus: Column


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """A convolution in groups: channels, kernel positions, output positions, bits of a result."""

    inputs: int
    outputs: int
    groups: int
    taps: int
    positions: int
    bits: int = 8


@dataclass(frozen=True, kw_only=True)
class PassRead:
    """What passes over output columns read, as columns over machines.

    Attributes
    ----------
    word, words : first scratchpad word of a position, and how many of them
    channels : channels from the first word's first one to the last one that is read
    last_beats : beats of the last word
    """

    word: Column
    words: Column
    channels: Column
    last_beats: Column

    def entries(self, array: Array, layer: Grouped) -> Column:
        """Beats of K."""
        return layer.taps * ((self.words - 1) * array.tokens + self.last_beats)


def array_of(spec: MachineSpec) -> Array:
    """One machine as columns of length 1."""
    if spec.classes:
        fill = sum(-(-k.rows // k.rows_per_word(spec.tokens)) for k in spec.classes)
        bus = fill * spec.tokens * spec.beats_per_word
    else:
        fill, bus = spec.rows, spec.rows * spec.beats_per_word
    numbers = {
        "rows": spec.rows, "vector_lanes": spec.vector_lanes, "tokens": spec.tokens,
        "lanes": spec.lanes, "word_bytes": spec.word_bytes, "axi_width": spec.axi_width,
        "depth_entries": spec.depth_entries, "fill": fill, "bus": bus,
    }  # fmt: skip
    return Array(**{name: np.array([value], dtype=np.int64) for name, value in numbers.items()})


def pass_read(array: Array, layer: Grouped, start: Column, stop: Column) -> PassRead:
    """What passes over the columns from ``start`` up to ``stop`` read."""
    out, depth = layer.outputs // layer.groups, layer.inputs // layer.groups
    word = start // out * depth // array.word_bytes
    end = -(-stop // out) * depth
    words = -(-end // array.word_bytes) - word
    channels = end - word * array.word_bytes
    rest = channels - (words - 1) * array.word_bytes
    return PassRead(word=word, words=words, channels=channels, last_beats=-(-rest // array.lanes))


def passes(array: Array, layer: Grouped) -> Iterator[tuple[Column, Column]]:
    """First column of every pass, and the one after its last; on some machines a pass is empty."""
    step = pass_columns(array, layer)
    for index in range(int((-(-layer.outputs // step)).max(initial=0))):
        yield (
            np.minimum(index * step, layer.outputs),
            np.minimum((index + 1) * step, layer.outputs),
        )


def pass_columns(array: Array, layer: Grouped) -> Column:
    """Output columns of a pass ``[n]``, whole result words and beats of parameters.

    Those with which the layer takes fewest cycles as modelled here, or all of them in one pass. If
    the depth of the weight store is not enough for any, those that need least.
    """
    keys = np.stack([getattr(array, name) for name in Array.__dataclass_fields__])
    unique, places = np.unique(keys, axis=1, return_inverse=True)
    few = Array(**dict(zip(Array.__dataclass_fields__, unique, strict=True)))
    whole = np.full(unique.shape[1], layer.outputs, dtype=np.int64)
    if layer.groups == 1:
        return whole[places.reshape(-1)]
    unit = np.lcm(few.word_bytes * 8 // layer.bits, few.vector_lanes)
    own = np.lcm(layer.outputs // layer.groups, unit)
    sizes = [whole]
    sizes += [few.rows >> k for k in range(_HALVES)]
    sizes += [few.rows << k for k in range(1, _DOUBLES)]
    sizes += [own << k for k in range(_DOUBLES)]
    best, least = whole, np.full_like(whole, np.iinfo(np.int64).max)
    for size in sizes:
        step = np.maximum(size // unit, 1) * unit if size is not whole else whole
        step = np.minimum(step, whole)
        cost = _cost(few, layer, step)
        best, least = np.where(cost < least, step, best), np.minimum(cost, least)
    return best[places.reshape(-1)]


def _cost(array: Array, layer: Grouped, step: Column) -> Column:
    """Cycles of a layer in passes of so many columns; far more where K is too deep."""
    count = int((-(-layer.outputs // step)).max(initial=1))
    wide = {name: getattr(array, name)[:, None] for name in Array.__dataclass_fields__}
    every = Array(**wide)
    start = np.minimum(step[:, None] * np.arange(count), layer.outputs)
    stop = np.minimum(start + step[:, None], layer.outputs)
    used = stop > start
    read = pass_read(every, layer, start, stop)
    entries = read.entries(every, layer)
    tiles = -(-(stop - start) // every.rows)
    loop = np.maximum(
        layer.taps * read.words * every.tokens, every.tokens * every.rows // every.vector_lanes
    )
    compute = -(-layer.positions // every.tokens) * loop
    stream = -(-entries * every.bus // every.tokens)
    tile = np.maximum(np.maximum(compute, entries * every.fill), stream)
    beats = _DESCRIPTORS * _DESCRIPTOR_BITS // every.axi_width
    one = np.maximum(
        tiles * tile + _TURN, np.maximum(tiles * stream, _DESCRIPTORS * _FETCH) + beats
    )
    deep = np.where(used, entries, 0).max(axis=1)
    total: Column = np.where(used, one, 0).sum(axis=1)
    return np.where(deep > array.depth_entries, _NEVER * deep + total, total)
