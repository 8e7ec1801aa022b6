"""Descriptors of matrix products: convolutions, linear layers, attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from flows.mapper.emitter import Access, Emitter, pitched, reads, writes
from flows.mapper.place import MappingError, Place
from flows.mapper.row_plan import RowPlan, classed_plan, plain_plan
from flows.mapper.static_weights import fitting, folded, row_use, weight_codes, weight_stream
from flows.mapper.vector_ops import output_fields, table_fields
from models.machine_spec import MachineSpec
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution
from models.ops.requantize import Requantize
from models.program.layout import LoadTarget, Unit, VectorOp, WeightSource
from models.rescale import Integers


@dataclass(frozen=True, kw_only=True)
class Image:
    """The activation side of a product: a place seen as ``height`` x ``width`` positions."""

    place: Place
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Work:
    """Beats of the array that a product takes, and the share of each class' rows that is used."""

    beats: int
    rows: Mapping[str, float] = field(default_factory=dict)


def convolution(
    out: Emitter, spec: MachineSpec, op: Convolution, source: Image, target: Place
) -> Work:
    """Static weights: load stream, weight tiles, walk, drain."""
    weights = _lane_order(spec, op.weights, source.place)
    channel_of = _row_order(spec, target)
    entries = weights.shape[1] // spec.lanes
    if entries > spec.depth_entries:
        raise MappingError(
            f"K must be at most {spec.depth} (filled up to whole beats), not {entries * spec.lanes}"
        )
    requantize = op.requantize
    plan = plain_plan(len(channel_of), spec.rows)
    if spec.classes:
        fits = fitting(spec, weights, channel_of, op.row_formats)
        if spec.scatter:
            plan = classed_plan(spec, fits, target.bits)
        requantize = folded(requantize, weights, op.input_zero)
    tiles = plan.tiles
    channels = plan.channels(channel_of)
    # Parameters and table come first: the weight stream cannot end before results are drained.
    count = channels.size if spec.scatter else len(channel_of)
    params = _channel_params(requantize, channels.reshape(-1)[:count])
    entry = out.load_params(params, norm=False)
    tables = table_fields(out, requantize.table)
    order = out.load_order(plan.order)
    data = pitched(spec, weight_stream(spec, weight_codes(spec, weights, channels)))
    out.load_constant(LoadTarget.WEIGHTS, 0, data, ())
    fields = {"source": WeightSource.STREAM, "tiles": tiles, "entries": entries}
    out.add(Unit.WEIGHT, fields, ())

    _, kernel_y, kernel_x, _ = op.weights.shape
    tall, wide, _ = op.output_shape(source.height, source.width)
    pitch = source.place.row_words
    line = source.width * pitch
    walk = {
        "tiles": tiles,
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
        **_words(spec, source.place),
    }
    # Padding moves the first token's address off the image; the hardware adds it back.
    offset = -op.padding[0] * line - op.padding[1] * pitch
    _matrix(out, walk, source.place, offset)
    drain = Drain(plan=plan, channels=count, rows=tall * wide, entry=entry, params=len(params),
                  order=order)  # fmt: skip
    _drain(out, spec, requantize, target, drain, tables)
    return Work(
        beats=int(tiles * -(-tall * wide // spec.tokens) * entries), rows=row_use(spec, plan)
    )


def attention_scores(
    out: Emitter, spec: MachineSpec, op: AttentionScores, q: Place, k: Place, target: Place
) -> Work:
    """Head by head: a tile's rows are keys, as they lie."""
    beats = 0
    width = q.channels // op.heads
    entries = -(-width // spec.lanes)
    plan = plain_plan(k.rows, spec.dynamic_rows)
    tiles = plan.tiles
    for head in range(op.heads):
        fields = {
            "source": WeightSource.DIRECT,
            "tiles": tiles,
            "entries": entries,
            "base": k.base + head * k.row_words // op.heads,
            "stride": k.row_words,
            "rows": k.rows,
            "last_lanes": width - (entries - 1) * spec.lanes,
            "zero": op.key_zero,
        }
        _check_depth(spec, entries, "attention head width")
        out.add(Unit.WEIGHT, fields, [reads(k.base, k.end)])
        one = _head(q, head, op.heads)
        _matrix(out, _rows_walk(spec, one, tiles, op.query_zero), q, 0)
        part = target.part(head * q.rows, (head + 1) * q.rows)
        _scalar_drain(out, spec, op.requantize, part, plan, k.rows)
        beats += tiles * -(-q.rows // spec.tokens) * entries
    return Work(beats=beats, rows=row_use(spec, plan))


def attention_context(
    out: Emitter, spec: MachineSpec, op: AttentionContext, p: Place, v: Place, target: Place
) -> Work:
    """Head by head: a tile's rows are channels, transposed on their way in."""
    beats = 0
    width = v.channels // op.heads
    entries = -(-v.rows // spec.lanes)
    plan = plain_plan(width, spec.dynamic_rows)
    tiles = plan.tiles
    tokens = p.rows // op.heads
    _check_depth(spec, entries, "attention keys")
    for head in range(op.heads):
        fields = {
            "source": WeightSource.TRANSPOSED,
            "tiles": tiles,
            "entries": entries,
            "base": v.base + head * v.row_words // op.heads,
            "stride": v.row_words,
            "rows": width,
            "last_lanes": v.rows - (entries - 1) * spec.lanes,
            "zero": op.value_zero,
        }
        out.add(Unit.WEIGHT, fields, [reads(v.base, v.end)])
        rows = p.part(head * tokens, (head + 1) * tokens)
        _matrix(out, _rows_walk(spec, rows, tiles, op.probability_zero), rows, 0)
        one = _head(target, head, op.heads)
        _scalar_drain(out, spec, op.requantize, one, plan, width, whole=target)
        beats += tiles * -(-tokens // spec.tokens) * entries
    return Work(beats=beats, rows=row_use(spec, plan))


def _check_depth(spec: MachineSpec, entries: int, what: str) -> None:
    if entries > spec.depth_entries:
        raise MappingError(f"{what} must be at most {spec.depth}, not {entries * spec.lanes}")


def _head(place: Place, head: int, heads: int) -> Place:
    """One head's channels of a place; rows keep their pitch."""
    return Place(
        base=place.base + head * place.row_words // heads,
        rows=place.rows,
        channels=place.channels // heads,
        row_words=place.row_words,
        bits=place.bits,
    )


def _words(spec: MachineSpec, place: Place) -> dict[str, int]:
    """Words of a position, and the beats its last word has."""
    if place.groups > 1:
        return {"words": place.row_words, "last_beats": spec.tokens}
    words = -(-place.channels // spec.word_bytes)
    rest = place.channels - (words - 1) * spec.word_bytes
    return {"words": words, "last_beats": -(-rest // spec.lanes)}


def _rows_walk(spec: MachineSpec, place: Place, tiles: int, zero: int) -> dict[str, int]:
    """A walk over plain rows."""
    return {
        "tiles": tiles,
        "tokens": place.rows,
        "base": place.base,
        "width": place.rows,
        "in_height": 1,
        "in_width": place.rows,
        "stride_y": 1,
        "stride_x": 1,
        "dilation_y": 1,
        "dilation_x": 1,
        "kernel_y": 1,
        "kernel_x": 1,
        "token_step": place.row_words,
        "zero": zero,
        **_words(spec, place),
    }


def _matrix(out: Emitter, walk: dict[str, int], place: Place, offset: int) -> None:
    fields = dict(walk)
    fields["base"] = walk["base"] + offset
    out.add(Unit.MATRIX, fields, [reads(place.base, place.end)])


def _lane_order(spec: MachineSpec, weights: Integers, place: Place) -> Integers:
    """Weights ``[out, K]`` with K as the walk delivers it: taps, words, lanes."""
    count, kernel_y, kernel_x, channels = weights.shape
    groups = place.groups
    walk = _words(spec, place)
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
    """Output channel of every written column; -1 where a group is filled up to a whole word."""
    if target.groups == 1:
        return np.arange(target.channels)
    part = target.channels // target.groups
    per_word = spec.word_bytes * 8 // target.bits
    order = np.full((target.groups, target.group_words * per_word), -1, dtype=np.int64)
    order[:, :part] = np.arange(target.channels).reshape(target.groups, part)
    return order.reshape(-1)


def _channel_params(spec: Requantize, order: Integers) -> list[dict[str, int]]:
    """A channel's parameters in written order; columns without a channel get zeros."""

    def value(array: Integers, channel: int) -> int:
        return int(array[channel if len(array) > 1 else 0])

    return [
        {
            "factor": value(spec.multiplier, c),
            "bias": value(spec.bias, c),
            "shift": value(spec.shift, c),
        }
        if c >= 0
        else {}
        for c in order.tolist()
    ]


@dataclass(frozen=True, kw_only=True)
class Drain:
    """Size of a drain, its parameters and its row order.

    First entries of both, and the rows parameters are given for (0: one entry serves all).
    """

    plan: RowPlan
    channels: int
    rows: int
    entry: int
    params: int = 0
    order: int = 0


def _scalar_drain(
    out: Emitter,
    spec: MachineSpec,
    requantize: Requantize,
    target: Place,
    plan: RowPlan,
    channels: int,
    whole: Place | None = None,
) -> None:
    params = _channel_params(requantize, np.zeros(spec.vector_lanes, dtype=np.int64))
    entry = out.load_params(params, norm=False)
    tables = table_fields(out, requantize.table)
    drain = Drain(plan=plan, channels=channels, rows=target.rows, entry=entry)
    _drain(out, spec, requantize, target, drain, tables, whole)


def _drain(
    out: Emitter,
    spec: MachineSpec,
    requantize: Requantize,
    target: Place,
    drain: Drain,
    tables: tuple[dict[str, int], list[Access]],
    whole: Place | None = None,
) -> None:
    count = max(1, -(-drain.params // spec.vector_lanes))
    table, access = tables
    fields = {
        "op": VectorOp.DRAIN,
        "rounding": requantize.rounding,
        "tiles": drain.plan.tiles,
        "rows": drain.rows,
        "channels": drain.channels,
        "param": drain.entry,
        "param_step": int(drain.params > 0),
        "order": drain.order,
        "short": int(drain.plan.columns.shape[1] < spec.rows),
        "zero": requantize.zero_point,
        "low": requantize.low,
        "high": requantize.high,
        **output_fields(target),
        **table,
    }
    accesses = [reads(drain.entry, drain.entry + count, "params"), *access]
    if drain.plan.order:
        beats = len(drain.plan.order) // spec.word_bytes
        accesses.append(reads(drain.order, drain.order + beats, out.orders.what))
    region = whole or target
    out.add(Unit.VECTOR, fields, [*accesses, writes(region.base, region.end)])
