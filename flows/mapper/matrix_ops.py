"""Emits the descriptors of matrix products: the common part, and those of attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from flows.mapper.emitter import Access, Emitter, reads, writes
from flows.mapper.head_rows import HeadRows
from flows.mapper.place import MappingError, Place
from flows.mapper.row_plan import RowPlan, plain_plan
from flows.mapper.static_weights import row_use
from flows.mapper.vector_ops import output_fields, table_fields
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.numerics.rescale import Integers
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.requantize import Requantize
from models.program.layout import VectorOp, WeightSource


@dataclass(frozen=True, kw_only=True)
class Work:
    """Beats of the array for a product, the share of each row class that it uses, and the tiles of
    each pass of a layer with static weights."""

    beats: int
    rows: Mapping[str, float] = field(default_factory=dict)
    tiles: tuple[int, ...] = ()


def attention_scores(
    out: Emitter, spec: MachineSpec, op: AttentionScores, q: Place, k: Place, target: HeadRows
) -> Work:
    """Emit attention scores, head by head: each row of a weight tile is a key, read directly."""
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
        multiply(out, _rows_walk(spec, one, tiles, op.query_zero), q, 0)
        with target.rows(out, head, write=True) as part:
            _scalar_drain(out, spec, op.requantize, part, plan, k.rows)
        beats += tiles * -(-q.rows // spec.tokens) * entries
    return Work(beats=beats, rows=row_use(spec, plan))


def attention_context(
    out: Emitter, spec: MachineSpec, op: AttentionContext, p: HeadRows, v: Place, target: Place
) -> Work:
    """Emit attention context, head by head: each row of a weight tile is a channel of V.

    The weight unit transposes V while loading it.
    """
    beats = 0
    width = v.channels // op.heads
    entries = -(-v.rows // spec.lanes)
    plan = plain_plan(width, spec.dynamic_rows)
    tiles = plan.tiles
    tokens = p.at.rows // op.heads
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
        with p.rows(out, head) as rows:
            multiply(out, _rows_walk(spec, rows, tiles, op.probability_zero), rows, 0)
        one = _head(target, head, op.heads)
        _scalar_drain(out, spec, op.requantize, one, plan, width, whole=target)
        beats += tiles * -(-tokens // spec.tokens) * entries
    return Work(beats=beats, rows=row_use(spec, plan))


def _check_depth(spec: MachineSpec, entries: int, what: str) -> None:
    if entries > spec.depth_entries:
        raise MappingError(
            f"{what} must be at most {spec.depth}, not {entries * spec.lanes}",
            depth=entries * spec.lanes,
        )


def _head(place: Place, head: int, heads: int) -> Place:
    """Return one head's channels of a place; rows keep their pitch."""
    return Place(
        base=place.base + head * place.row_words // heads,
        rows=place.rows,
        channels=place.channels // heads,
        row_words=place.row_words,
        bits=place.bits,
    )


def walk_words(spec: MachineSpec, place: Place) -> dict[str, int]:
    """Return the fields for the words of a position and the beats of its last word."""
    if place.groups > 1:
        return {"words": place.row_words, "last_beats": spec.tokens}
    words = -(-place.channels // spec.word_bytes)
    rest = place.channels - (words - 1) * spec.word_bytes
    return {"words": words, "last_beats": -(-rest // spec.lanes)}


def _rows_walk(spec: MachineSpec, place: Place, tiles: int, zero: int) -> dict[str, int]:
    """Return the fields of a walk over tensor rows, without a kernel."""
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
        **walk_words(spec, place),
    }


def multiply(out: Emitter, walk: dict[str, int], place: Place, offset: int) -> None:
    fields = dict(walk)
    fields["base"] = walk["base"] + offset
    out.add(Unit.MATRIX, fields, [reads(place.base, place.end)])


def channel_params(spec: Requantize, order: Integers) -> dict[str, Integers]:
    """Return channel parameters in the order of written columns; zeros for columns without one."""

    def column(array: Integers) -> Integers:
        found: Integers = np.where(order < 0, 0, array[order if len(array) > 1 else 0 * order])
        return found

    return {
        "factor": column(spec.multiplier),
        "bias": column(spec.bias),
        "shift": column(spec.shift),
    }


@dataclass(frozen=True, kw_only=True)
class Drain:
    """Size of a drain, and where its parameters and its row order lie.

    ``entry`` and ``order`` are their first entries; ``params`` is the number of rows with
    parameters of their own (0: one entry serves all rows).
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
    params = channel_params(requantize, np.zeros(spec.vector_lanes, dtype=np.int64))
    entry = out.load_params(params, norm=False)
    tables = table_fields(out, requantize.table)
    drain = Drain(plan=plan, channels=channels, rows=target.rows, entry=entry)
    drain_results(out, spec, requantize, target, drain, tables, whole)


def drain_results(
    out: Emitter,
    spec: MachineSpec,
    requantize: Requantize,
    target: Place,
    drain: Drain,
    tables: tuple[dict[str, int], list[Access]],
    whole: Place | None = None,
    *,
    keeps: bool = False,
    takes: bool = False,
) -> None:
    """Emit a drain; of a part of K it ``keeps`` its sums, and ``takes`` those of other parts."""
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
        "keep_sums": int(keeps),
        "take_sums": int(takes),
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
