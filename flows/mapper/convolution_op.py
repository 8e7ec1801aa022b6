"""Emits the descriptors of products with static weights: convolutions and linear layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flows.mapper.cut import Cut, cuts_of, joined_plan, lane_order, param_starts
from flows.mapper.emitter import Emitter, pitched
from flows.mapper.macro_layer import MacroItems, MacroLayer
from flows.mapper.matrix_ops import Drain, Work, channel_params, drain_results, multiply
from flows.mapper.part_passes import PartLayer, check_sums
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

    cut: Cut
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
    if layer is not None or source.place.groups > 1 or target.groups > 1:
        op = op.dense()
    channel_of = _row_order(spec, target)
    tall, wide, _ = op.output_shape(source.height, source.width)
    cuts = cuts_of(spec, op, source.place, target, positions=tall * wide)
    entries = max(cut.entries for cut in cuts)
    in_parts = entries > spec.depth_entries
    if in_parts and (layer is not None or not spec.part_sums):
        raise MappingError(
            f"K (padded to whole beats) must be at most {spec.depth}, not {entries * spec.lanes}",
            depth=entries * spec.lanes,
        )
    requantize = op.requantize
    plans = [plain_plan(cut.stop - cut.start, spec.rows) for cut in cuts]
    if spec.classes:
        filled = entries * spec.lanes * len(op.weights) > op.weights.size
        fits = fitting(spec, op.weights, channel_of, op.row_formats, filled=filled)
        if spec.scatter:
            plans = [classed_plan(spec, fits[c.start : c.stop], target.bits) for c in cuts]
        requantize = folded(requantize, op.weights, op.input_zero)
    if layer is not None:
        requantize = layer.requantize
    plan = joined_plan(plans, cuts)
    channels = plan.channels(channel_of)
    # Load parameters and table before the weight stream, which blocks the load unit until results
    # are drained.
    count = channels.size if spec.scatter else len(channel_of)
    order_of = channels.reshape(-1) if spec.scatter else channel_of
    params = channel_params(requantize, order_of)
    # The drain addresses the entries of the last tile's idle rows as well.
    starts = param_starts(spec, plans, cuts)
    reach = max(
        at + one.columns.size // spec.vector_lanes for at, one in zip(starts, plans, strict=True)
    )
    entry = out.load_params(params, norm=False, reach=reach)
    tables = table_fields(out, requantize.table)
    order = out.load_order(plan.order)
    drain = Drain(plan=plan, channels=count, rows=tall * wide, entry=entry,
                  params=len(params["factor"]), order=order)  # fmt: skip
    items = None
    if layer is not None:
        codes = _codes(spec, op, source.place, channels, cuts[0])
        items = MacroItems(out, layer, codes, plan.columns, tokens=tall * wide)
    walk, offset = _walk(spec, op, source)
    parts = [
        _part(spec, drain, target, one, cut, at)
        for one, cut, at in zip(plans, cuts, starts, strict=True)
    ]
    if in_parts:
        check_sums(spec, op, requantize)
        whole = PartLayer(
            op=op, source=source.place, target=target, shape=(tall, wide), walk=walk,
            offset=offset, requantize=requantize, tables=tables,
        )  # fmt: skip
        beats = 0
        for part, one, cut in zip(parts, plans, cuts, strict=True):
            rows_of = one.channels(channel_of[cut.columns])
            beats += whole.emit(out, cut, part.target, part.drain, rows_of)
        tiled = tuple(one.tiles for one in plans)
        return Work(beats=beats, rows=row_use(spec, plan), tiles=tiled)
    if items is None:
        rows = [one.channels(channel_of[cut.columns]) for one, cut in zip(plans, cuts, strict=True)]
        _load(out, spec, op, source.place, cuts, rows)
    else:
        parts = list(_singly(spec, parts[0]))
    for index, part in enumerate(parts):
        if items is not None:
            items.load(index)
        tiles = part.drain.plan.tiles
        cut = part.cut
        fields = {"source": WeightSource.STREAM, "tiles": tiles, "entries": cut.entries}
        out.add(Unit.WEIGHT, fields, ())
        multiply(out, {**walk, **cut.walk, "tiles": tiles}, source.place, offset + cut.word)
        drain_results(out, spec, requantize, part.target, part.drain, tables, whole=target)
    groups = -(-tall * wide // spec.tokens)
    beats = sum(one.tiles * groups * cut.entries for one, cut in zip(plans, cuts, strict=True))
    tiled = tuple(one.tiles for one in plans)
    return Work(beats=int(beats), rows=row_use(spec, plan), tiles=tiled)


def _load(
    out: Emitter,
    spec: MachineSpec,
    op: Convolution,
    place: Place,
    cuts: list[Cut],
    rows: list[Integers],
) -> None:
    """Emit one load for all passes: a pass' weights come while the one before is computed.

    ``rows`` are the channels of every row ``[tiles, rows]`` of each pass.
    """

    def weights() -> bytes:
        codes = (_codes(spec, op, place, own, cut) for own, cut in zip(rows, cuts, strict=True))
        return b"".join(pitched(spec, weight_stream(spec, one)) for one in codes)

    words = sum(
        -(-stream_bytes(spec, len(own), cut.entries) // spec.word_bytes)
        for own, cut in zip(rows, cuts, strict=True)
    )
    out.load_weights(words * spec.word_pitch, weights)


def _part(
    spec: MachineSpec, drain: Drain, target: Place, plan: RowPlan, cut: Cut, start: int
) -> Pass:
    """Return the pass of a cut, whose parameters begin ``start`` entries behind the layer's."""
    if len(drain.plan.columns) == plan.tiles:
        return Pass(cut=cut, target=target, drain=drain)
    channels = plan.columns.size if spec.scatter else cut.stop - cut.start
    per_word = spec.word_bytes * 8 // target.bits
    return Pass(
        cut=cut,
        target=replace(target, base=target.base + cut.start // per_word),
        drain=replace(
            drain,
            plan=plan,
            channels=channels,
            entry=drain.entry + start,
            params=channels,
            order=drain.order + start if spec.scatter else 0,
        ),
    )


def _singly(spec: MachineSpec, whole: Pass) -> Iterator[Pass]:
    """Yield one pass per tile, each with its own load."""
    drain, target, plan = whole.drain, whole.target, whole.drain.plan
    words = spec.rows * target.bits // 8 // spec.word_bytes
    for tile in range(plan.tiles):
        here = slice(tile, tile + 1)
        channels = min(spec.rows, drain.channels - tile * spec.rows)
        yield Pass(
            cut=whole.cut,
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
    spec: MachineSpec, op: Convolution, place: Place, channels: Integers, cut: Cut
) -> NDArray[np.uint8]:
    """Encode the weights of a cut: ``channels`` [tiles, rows] to bytes [tiles, rows, K]."""
    weights = lane_order(spec, op, place, cut)
    first = cut.start if op.groups > 1 else 0
    return weight_codes(spec, weights, np.where(channels < 0, channels, channels - first))


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
    }
    # With padding the first token's address lies before the image.
    return walk, -op.padding[0] * line - op.padding[1] * pitch


def _row_order(spec: MachineSpec, target: Place) -> Integers:
    """Return the output channel of every written column; -1 for padding to whole words."""
    if target.groups == 1:
        return np.arange(target.channels)
    part = target.channels // target.groups
    per_word = spec.word_bytes * 8 // target.bits
    order = np.full((target.groups, target.group_words * per_word), -1, dtype=np.int64)
    order[:, :part] = np.arange(target.channels).reshape(target.groups, part)
    return order.reshape(-1)
