"""Words, beats and tiles of layers on machines, as columns over machines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycles.machine_layer import Layer, Work
from flows.estimate.machine_points import FORMAT_NAMES, Points
from models.formats.row_classes import RowClass

__all__ = [
    "FIXED", "SLOTS", "Column", "ProductShape", "added_row", "dynamic_rows", "product_shape",
    "row_groups", "static_tiles", "words_of",
]  # fmt: skip

Column = NDArray[np.int64]

SLOTS = np.array([RowClass(name, 1).slot for name in FORMAT_NAMES])
"""Bits of a weight in the stream, by format."""
FIXED = np.array([RowClass(name, 1).fixed for name in FORMAT_NAMES])
"""Whether a format is fixed point, so that its rows can hold activations."""


def ceil(value: Column | int, by: Column | int) -> Column:
    """Division rounded up."""
    result: Column = -(-np.asarray(value, dtype=np.int64) // by)
    return result


def largest_rows(points: Points, rows: int, taps: int, channels: int, bits: int) -> Column:
    """``[n]`` cycles of max pooling ``rows`` positions: a word's windows, or the beats of one."""
    codes = points.word_bytes * 8 // bits
    words, beats = ceil(channels, codes) + 0 * codes, ceil(codes, points.vector_lanes)
    rest = ceil(channels - (words - 1) * codes, points.vector_lanes)
    each = (words - 1) * np.maximum(taps, beats) + np.maximum(taps, rest)
    # The first window is all there is to do at first, and the last one's beats in the end.
    return rows * each + np.minimum(taps, rest)


def added_row(points: Points, channels: int, bits: int) -> Column:
    """``[n]`` cycles of a row of an addition: a word of each side is read in two at least."""
    per_word = points.word_bytes * 8 // bits
    whole, rest = channels // per_word, channels % per_word
    last = np.maximum(ceil(rest, points.vector_lanes), 2)
    cycles: Column = whole * np.maximum(per_word // points.vector_lanes, 2)
    return cycles + np.where(rest > 0, last, 0)


def row_groups(points: Points) -> Column:
    """``[n]`` groups of rows whose weights share words of the stream; 0 without row classes."""
    together = points.tokens[:, None] * (8 // SLOTS)
    groups: Column = ceil(points.format_rows, together).sum(axis=1)
    return groups


def dynamic_rows(points: Points) -> Column:
    """``[n]`` rows of a tile of activations (see :attr:`MachineSpec.dynamic_rows`)."""
    first = np.maximum(points.first_format, 0)
    held = points.format_rows[np.arange(len(points)), first]
    most = np.where(FIXED[first], np.minimum(held, points.word_bytes), 0)
    found = np.zeros(len(points), dtype=np.int64)
    for beats in range(1, int((most // points.vector_lanes).max(initial=0)) + 1):
        count = beats * points.vector_lanes
        found = np.where((count <= most) & (points.word_bytes % count == 0), count, found)
    return np.where(points.with_classes, found, points.rows)


def words_of(points: Points, channels: int, bits: int = 8, heads: int = 1) -> Column:
    """``[n]`` scratchpad words of a row of channels, split into heads or not."""
    part = channels // heads
    split = heads * ceil(part * (bits // 8), points.word_bytes)
    whole = ceil(channels * (bits // 8), points.word_bytes)
    apart = part % points.word_bytes != 0
    return np.where(apart & (heads > 1), split, whole)


@dataclass(frozen=True, kw_only=True)
class ProductShape:
    """Columns of a product on machines.

    Attributes
    ----------
    tiles, groups : tiles of weights; groups of ``tokens`` positions
    entries : beats of K
    fetch : cycles in which a K loop's words are read
    drain : cycles in which a K loop's results leave
    fill : cycles in which a tile's entries are written
    stream : words of a tile in the weight stream
    columns : channels with parameters
    """

    tiles: Column
    groups: Column
    entries: Column
    fetch: Column
    drain: Column
    fill: Column
    stream: Column
    columns: Column


def product_shape(points: Points, layer: Layer) -> ProductShape:
    """A product's columns."""
    tokens, lanes = points.tokens, points.lanes
    positions = np.full(len(points), layer.positions // layer.heads, dtype=np.int64)
    static = layer.work is Work.PRODUCT
    rows = points.rows if static else dynamic_rows(points)
    rows = np.maximum(rows, 1)
    channels = np.full(len(points), layer.channels, dtype=np.int64)
    taps = np.full(len(points), layer.taps, dtype=np.int64)
    if layer.stem:
        packed = ceil(layer.taps * layer.channels, lanes) < layer.taps * ceil(layer.channels, lanes)
        channels = np.where(packed, layer.taps * layer.channels, channels)
        taps = np.where(packed, 1, taps)
    words = ceil(channels, points.word_bytes)
    last = ceil(channels - (words - 1) * points.word_bytes, lanes)
    if layer.in_heads > 1:
        part = layer.channels // layer.in_heads
        apart = part % points.word_bytes != 0
        words = np.where(apart, layer.in_heads * ceil(part, points.word_bytes), words)
        last = np.where(apart, tokens, last)
    entries = taps * ((words - 1) * tokens + last)
    if static:
        per_word = points.word_bytes * 8 // layer.bits_out
        part = layer.outputs // layer.out_heads
        split = layer.out_heads * ceil(part, per_word) * per_word
        whole = np.full(len(points), layer.outputs, dtype=np.int64)
        apart = (part % points.word_bytes != 0) & (layer.out_heads > 1)
        columns = np.where(apart, split, whole)
        tiles = static_tiles(points, columns, layer.bits_out)
        if layer.tiles is not None:
            tiles = np.full(len(points), layer.tiles, dtype=np.int64)
    else:
        columns = np.full(len(points), layer.outputs, dtype=np.int64)
        tiles = ceil(columns, rows)
    groups_of_rows = row_groups(points)
    plain_words = ceil(rows * entries, tokens)
    classed = points.with_classes
    stream = np.where(classed, groups_of_rows * entries, plain_words) if static else 0 * tiles
    if layer.work is Work.CONTEXT:
        fill = entries * (lanes + rows)
    elif static:
        fill = np.where(classed, groups_of_rows * entries, rows * entries)
    else:
        fill = rows * entries
    return ProductShape(
        tiles=tiles,
        groups=ceil(positions, tokens),
        entries=entries,
        fetch=taps * words * tokens,
        drain=tokens * rows // points.vector_lanes,
        fill=fill,
        stream=stream,
        columns=np.where(points.scatter, tiles * rows, columns) if static else columns,
    )


def static_tiles(points: Points, columns: Column, bits: int) -> Column:
    """``[n]`` tiles of static weights for so many columns of results."""
    per_word = points.word_bytes * 8 // bits
    # Of several classes, every word takes whole beats of results.
    full, rest = columns // per_word, columns % per_word
    beats = full * ceil(per_word, points.vector_lanes) + ceil(rest, points.vector_lanes)
    rows = np.maximum(points.rows, 1)
    tiles: Column = np.where(
        points.scatter, ceil(beats, rows // points.vector_lanes), ceil(columns, rows)
    )
    return tiles
