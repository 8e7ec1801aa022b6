"""Emits the descriptors of products with static weights: convolutions and linear layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flows.mapper.emitter import Emitter, pitched
from flows.mapper.macro_layer import MacroItems, MacroLayer
from flows.mapper.matrix_ops import Drain, Work, channel_params, drain_results, multiply, walk_words
from flows.mapper.place import MappingError, Place
from flows.mapper.row_plan import RowPlan, classed_plan, plain_plan
from flows.mapper.static_weights import (
    fitting,
    folded,
    row_use,
    stream_bytes,
    weight_codes,
    weight_stream,
)
from flows.mapper.vector_ops import table_fields
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.numerics.rescale import Integers
from models.ops.convolution import Convolution
from models.program.layout import WeightSource


@dataclass(frozen=True, kw_only=True)
class Image:
    """Activation operand of a product: a place viewed as ``height`` x ``width`` positions."""

    place: Place
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Pass:
    """Weight tiles that are processed together, and the channels of the output that they yield."""

    tiles: slice
    target: Place
    drain: Drain


def convolution(
    out: Emitter,
    spec: MachineSpec,
    op: Convolution,
    source: Image,
    target: Place,
    layer: MacroLayer | None = None,
) -> Work:
    """Emit a layer: load of the weight stream, weight tiles, matrix walk, drain.

    ``layer`` is needed on a machine with a macro.
    """
    op = op.dense()
    channel_of = _row_order(spec, target)
    entries = _entries(spec, op, source.place)
    if entries > spec.depth_entries:
        raise MappingError(
            f"K (padded to whole beats) must be at most {spec.depth}, not {entries * spec.lanes}",
            depth=entries * spec.lanes,
        )
    requantize = op.requantize
    plan = plain_plan(len(channel_of), spec.rows)
    if spec.classes:
        filled = entries * spec.lanes * len(op.weights) > op.weights.size
        fits = fitting(spec, op.weights, channel_of, op.row_formats, filled=filled)
        if spec.scatter:
            plan = classed_plan(spec, fits, target.bits)
        requantize = folded(requantize, op.weights, op.input_zero)
    if layer is not None:
        requantize = layer.requantize
    channels = plan.channels(channel_of)
    # Load parameters and table before the weight stream, which blocks the load unit until results
    # are drained.
    count = channels.size if spec.scatter else len(channel_of)
    params = channel_params(requantize, channels.reshape(-1)[:count])
    # The drain addresses the entries of the last tile's idle rows as well.
    reach = plan.columns.size // spec.vector_lanes
    entry = out.load_params(params, norm=False, reach=reach)
    tables = table_fields(out, requantize.table)
    order = out.load_order(plan.order)
    tall, wide, _ = op.output_shape(source.height, source.width)
    drain = Drain(plan=plan, channels=count, rows=tall * wide, entry=entry,
                  params=len(params["factor"]), order=order)  # fmt: skip
    items = None
    if layer is not None:
        codes = _codes(spec, op, source.place, channels)
        items = MacroItems(out, layer, codes, plan.columns, tokens=tall * wide)
    walk, offset = _walk(spec, op, source)
    words = -(-stream_bytes(spec, plan.tiles, entries) // spec.word_bytes)
    size = words * spec.word_pitch

    def weights() -> bytes:
        codes = _codes(spec, op, source.place, channels)
        return pitched(spec, weight_stream(spec, codes))

    for part in _passes(spec, drain, target, singly=layer is not None):
        if items is None:
            out.load_weights(size, weights)
        else:
            items.load(part.tiles.start)
        tiles = part.drain.plan.tiles
        fields = {"source": WeightSource.STREAM, "tiles": tiles, "entries": entries}
        out.add(Unit.WEIGHT, fields, ())
        multiply(out, {**walk, "tiles": tiles}, source.place, offset)
        drain_results(out, spec, requantize, part.target, part.drain, tables, whole=target)
    return Work(
        beats=int(plan.tiles * -(-tall * wide // spec.tokens) * entries), rows=row_use(spec, plan)
    )


def _passes(spec: MachineSpec, drain: Drain, target: Place, *, singly: bool) -> Iterator[Pass]:
    """Yield one pass with all tiles; or with ``singly``, one per tile, each with its own load."""
    plan = drain.plan
    if not singly:
        yield Pass(tiles=slice(0, plan.tiles), target=target, drain=drain)
        return
    words = spec.rows * target.bits // 8 // spec.word_bytes
    for tile in range(plan.tiles):
        here = slice(tile, tile + 1)
        channels = min(spec.rows, drain.channels - tile * spec.rows)
        yield Pass(
            tiles=here,
            target=replace(target, base=target.base + tile * words),
            drain=replace(
                drain,
                plan=RowPlan(tiles=1, columns=plan.columns[here]),
                channels=channels,
                entry=drain.entry + tile * spec.rows // spec.vector_lanes,
                params=channels,
            ),
        )


def _codes(
    spec: MachineSpec, op: Convolution, place: Place, channels: Integers
) -> NDArray[np.uint8]:
    return weight_codes(spec, _lane_order(spec, op.weights, place), channels)


def _entries(spec: MachineSpec, op: Convolution, place: Place) -> int:
    """Return the beats of K in the order of the matrix unit (see :func:`_lane_order`)."""
    walk = walk_words(spec, place)
    beats = (walk["words"] - 1) * spec.tokens + walk["last_beats"]
    return int(np.prod(op.weights.shape[1:3])) * beats


def _walk(spec: MachineSpec, op: Convolution, source: Image) -> tuple[dict[str, int], int]:
    """Return a matrix descriptor's fields for an image, and its address offset from padding."""
    _, kernel_y, kernel_x, _ = op.weights.shape
    tall, wide, _ = op.output_shape(source.height, source.width)
    pitch = source.place.row_words
    line = source.width * pitch
    walk = {
        "tokens": tall * wide,
        "base": source.place.base,
        "width": wide,
        "in_height": source.height,
        "in_width": source.width,
        "start_y": -op.padding[0],
        "start_x": -op.padding[1],
        "stride_y": op.stride[0],
        "stride_x": op.stride[1],
        "dilation_y": op.dilation[0],
        "dilation_x": op.dilation[1],
        "kernel_y": kernel_y,
        "kernel_x": kernel_x,
        "token_step": op.stride[1] * pitch,
        "line_step": op.stride[0] * line - (wide - 1) * op.stride[1] * pitch,
        "tap_step": op.dilation[1] * pitch,
        "tap_line_step": op.dilation[0] * line - (kernel_x - 1) * op.dilation[1] * pitch,
        "zero": op.input_zero,
        **walk_words(spec, source.place),
    }
    # With padding the first token's address lies before the image.
    return walk, -op.padding[0] * line - op.padding[1] * pitch


def _lane_order(spec: MachineSpec, weights: Integers, place: Place) -> Integers:
    """Return weights ``[out, K]`` with K in the order of the matrix unit: taps, words, lanes."""
    count, kernel_y, kernel_x, channels = weights.shape
    groups = place.groups
    walk = walk_words(spec, place)
    lanes = ((walk["words"] - 1) * spec.tokens + walk["last_beats"]) * spec.lanes
    if groups == 1:
        wide = np.zeros((count, kernel_y, kernel_x, lanes), dtype=np.int64)
        wide[..., :channels] = weights
    else:
        part = channels // groups
        parts = np.zeros(
            (count, kernel_y, kernel_x, groups, place.group_words * spec.word_bytes), dtype=np.int64
        )
        parts[..., :part] = weights.reshape(count, kernel_y, kernel_x, groups, part)
        wide = parts.reshape(count, kernel_y, kernel_x, -1)
    return wide.reshape(count, -1)


def _row_order(spec: MachineSpec, target: Place) -> Integers:
    """Return the output channel of every written column; -1 for padding to whole words."""
    if target.groups == 1:
        return np.arange(target.channels)
    part = target.channels // target.groups
    per_word = spec.word_bytes * 8 // target.bits
    order = np.full((target.groups, target.group_words * per_word), -1, dtype=np.int64)
    order[:, :part] = np.arange(target.channels).reshape(target.groups, part)
    return order.reshape(-1)
