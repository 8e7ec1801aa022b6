"""Columns of the passes of a convolution in groups, as the mapper cuts it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flows.estimate.cycles.geometry import (
    Column,
    ProductShape,
    ceil,
    product_shape,
    row_groups,
    static_tiles,
)
from flows.estimate.cycles.machine_layer import Layer, Work
from flows.estimate.machine_points import Points
from flows.mapper.group_passes import Array, Grouped, pass_columns, pass_read, passes

__all__ = ["param_entries", "pass_counts", "pass_shapes", "reach"]


def pass_shapes(points: Points, layer: Layer) -> list[ProductShape]:
    """A product's passes: one, unless it is a convolution in groups.

    Where some machines have fewer (:func:`pass_counts`), their last ones are empty.
    """
    if pass_counts(points, layer).max(initial=1) == 1:
        return [product_shape(points, layer)]
    whole = product_shape(points, replace(layer, groups=1, tiles=None))
    array, grouped = _array(points), _grouped(layer)
    found = []
    for index, (start, stop) in enumerate(passes(array, grouped)):
        read = pass_read(array, grouped, start, stop)
        entries = read.entries(array, grouped)
        columns = stop - start
        tiles = static_tiles(points, columns, layer.bits_out)
        if layer.pass_tiles:
            tiles = np.full(len(points), layer.pass_tiles[index], dtype=np.int64)
        classed = points.with_classes
        stream = np.where(
            classed, row_groups(points) * entries, ceil(points.rows * entries, points.tokens)
        )
        found.append(
            replace(
                whole,
                tiles=tiles,
                entries=entries,
                fetch=layer.taps * read.words * points.tokens,
                fill=array.fill * entries,
                stream=stream,
                columns=np.where(points.scatter, tiles * points.rows, columns),
            )
        )
    return found


def pass_counts(points: Points, layer: Layer) -> Column:
    """``[n]`` passes of a layer."""
    if layer.work is not Work.PRODUCT or layer.groups == 1:
        return np.ones(len(points), dtype=np.int64)
    count = ceil(layer.outputs, pass_columns(_array(points), _grouped(layer)))
    # Channels of heads that do not fill words are read, or written, as they lie: in one pass.
    for heads, channels in ((layer.in_heads, layer.channels), (layer.out_heads, layer.outputs)):
        if heads > 1:
            count = np.where(channels // heads % points.word_bytes, 1, count)
    return count


def reach(points: Points, shapes: list[ProductShape]) -> Column:
    """``[n]`` entries of parameters from a product's first one to the last that its drain passes.

    Idle rows of the last tile pass by their entries as well.
    """
    a_tile = points.rows // points.vector_lanes
    before = [shape.columns // points.vector_lanes for shape in shapes]
    plain, at = shapes[0].tiles * a_tile, 0 * before[0]
    for shape, size in zip(shapes, before, strict=True):
        plain, at = np.maximum(plain, at + shape.tiles * a_tile), at + size
    return plain


def param_entries(points: Points, layer: Layer) -> Column:
    """``[n]`` entries of the parameters' memory that a layer needs at once."""
    if layer.work is Work.PRODUCT:
        return reach(points, pass_shapes(points, layer))
    if layer.work is Work.NORM:
        return ceil(layer.outputs, points.vector_lanes) + 0 * points.rows
    return np.ones_like(points.rows)


def _grouped(layer: Layer) -> Grouped:
    return Grouped(
        inputs=layer.channels, outputs=layer.outputs, groups=layer.groups, taps=layer.taps,
        positions=layer.positions, bits=layer.bits_out,
    )  # fmt: skip


def _array(points: Points) -> Array:
    fill = np.where(points.with_classes, row_groups(points), points.rows)
    bus = np.where(points.with_classes, fill * points.tokens, points.rows) * points.beats_per_word
    return Array(
        rows=points.rows, vector_lanes=points.vector_lanes, tokens=points.tokens,
        lanes=points.lanes, word_bytes=points.word_bytes, axi_width=points.axi_width,
        depth_entries=points.depth // points.lanes, fill=fill, bus=bus,
    )  # fmt: skip
