"""Emits the descriptors of operators that run on the vector unit alone."""

from __future__ import annotations

import numpy as np

from flows.mapper.emitter import Access, Emitter, reads, writes
from flows.mapper.place import MappingError, Place
from flows.mapper.pooling_windows import window_runs
from models.machine.units import Unit
from models.numerics.rescale import Rounding
from models.ops.add import Add
from models.ops.layer_norm import LayerNorm
from models.ops.pool import AveragePool, MaxPool
from models.ops.requantize import Lookup, Requantize
from models.ops.row_function import VALUE_BITS, RowFunction
from models.ops.softmax import SUM_LIMIT, Softmax
from models.program.layout import VectorOp


def output_fields(target: Place) -> dict[str, int]:
    """Return the fields for the destination of rows."""
    return {
        "out": target.base,
        "out_stride": target.row_words,
        "wide_out": int(target.bits == 16),
    }


def source_fields(source: Place) -> dict[str, int]:
    """Return the fields for the source of rows."""
    return {
        "src": source.base,
        "src_stride": source.row_words,
        "wide_in": int(source.bits == 16),
        "rows": source.rows,
        "channels": source.channels,
    }


def table_fields(out: Emitter, table: Lookup | None) -> tuple[dict[str, int], list[Access]]:
    """Load a function table; return its fields and the access to it."""
    if table is None:
        return {}, []
    address = out.load_table(table.table, row=False)
    fields = {
        "table": 1,
        "table_base": address,
        "table_last": len(table.table) - 1,
        "table_offset": table.offset,
        "table_shift": table.shift,
    }
    return fields, [reads(address, address + len(table.table), out.tables.what)]


def _row_fields(out: Emitter, function: RowFunction) -> tuple[dict[str, int], Access]:
    address = out.load_table(function.table, row=True)
    first = function.first
    fields = {
        "row_floating": int(function.floating),
        "row_even": int(function.even),
        "row_base": address + (0 if function.floating else first.base),
        "row_offset": first.offset,
        "row_shift": first.shift,
        "row_last": first.last,
        "row_out_shift": first.out_shift,
    }
    if function.second is not None and not function.floating:
        second = function.second
        fields |= {
            "row_two": 1,
            "row2_base": second.base - first.base,
            "row2_offset": second.offset,
            "row2_shift": second.shift,
            "row2_last": second.last,
            "row2_out_shift": second.out_shift,
        }
    return fields, reads(address, address + len(function.table), out.row_tables.what)


def _flat(*places: Place) -> None:
    """Check that rows have no gaps between channels, as row operators require."""
    for place in places:
        if place.groups > 1:
            raise MappingError(
                "a tensor split into heads must have heads that fill whole words, not "
                f"{place.channels} channels in {place.groups} heads"
            )


def requantize(out: Emitter, op: Requantize, source: Place, target: Place) -> None:
    """Emit elementwise rescaling, with or without a table."""
    _flat(source, target)
    if op.channels != 1:
        raise MappingError(f"elementwise requantise must have 1 channel, not {op.channels}")
    table, access = table_fields(out, op.table)
    fields = {
        "op": VectorOp.MAP,
        "rounding": op.rounding,
        "a_zero": -int(op.bias[0]),
        "multiplier": int(op.multiplier[0]),
        "shift": int(op.shift[0]),
        "zero": op.zero_point,
        "low": op.low,
        "high": op.high,
        **source_fields(source),
        **output_fields(target),
        **table,
    }
    _vector(out, fields, [source], target, access)


def copy_rows(out: Emitter, source: Place, target: Place) -> None:
    """Emit a copy of rows."""
    high = (1 << source.bits - 1) - 1
    one = np.array([1])
    same = Requantize(
        bias=0 * one,
        multiplier=one,
        shift=0 * one,
        rounding=Rounding.FLOOR,
        low=-high - 1,
        high=high,
    )
    requantize(out, same, source, target)


def add(out: Emitter, op: Add, a: Place, b: Place, target: Place) -> None:
    """Emit an addition; ``b`` has as many rows as ``a``, or one row that is added to all."""
    if b.rows not in (1, a.rows):
        raise MappingError(f"second side of an addition must have {a.rows} rows or 1, not {b.rows}")
    if a.groups != 1 or b.groups != 1 or target.groups != 1:
        _flat(a, b, target)
    if a.bits != b.bits:
        raise MappingError(f"both sides of an addition must have {a.bits} bits, not {b.bits}")
    fields = {
        "op": VectorOp.ADD,
        "rounding": op.rounding,
        "a_zero": op.a_zero,
        "b_zero": op.b_zero,
        "multiplier": op.a_multiplier,
        "b_multiplier": op.b_multiplier,
        "shift": op.shift,
        "zero": op.zero_point,
        "low": op.low,
        "high": op.high,
        "src2": b.base,
        "src2_stride": b.row_words if b.rows > 1 else 0,
        **source_fields(a),
        **output_fields(target),
    }
    _vector(out, fields, [a, b], target, [])


def layer_norm(out: Emitter, op: LayerNorm, source: Place, target: Place) -> None:
    """Emit LayerNorm over the channels of each row."""
    _flat(source, target)
    wide = source.bits - 1 + op.pre_shift
    most = min((1 << 30) >> wide, ((1 << VALUE_BITS) - 1) >> 2 * wide)
    if source.channels > most:
        raise MappingError(
            f"layer norm must be over at most {most} channels, not {source.channels}"
        )
    entry = out.load_params({"factor": op.gain, "addend": op.offset}, norm=True)
    count = -(-len(op.gain) // out.spec.vector_lanes)
    function, access = _row_fields(out, op.root)
    fields = {
        "op": VectorOp.LAYER_NORM,
        "rounding": op.rounding,
        "param": entry,
        "param_step": 1,
        "shift": op.shift,
        "low": op.low,
        "high": op.high,
        "pre_shift": op.pre_shift,
        "mean_multiplier": op.mean_multiplier,
        "mean_shift": op.mean_shift,
        **function,
        **source_fields(source),
        **output_fields(target),
    }
    _vector(out, fields, [source], target, [access, reads(entry, entry + count, "params")])


def softmax(out: Emitter, op: Softmax, source: Place, target: Place) -> None:
    """Emit softmax over each row."""
    _flat(source, target)
    most = (SUM_LIMIT - 1) // int(op.exp.max())
    if source.channels > most:
        raise MappingError(f"softmax must be over at most {most} keys, not {source.channels}")
    address = out.load_table(op.exp, row=False)
    function, access = _row_fields(out, op.reciprocal)
    fields = {
        "op": VectorOp.SOFTMAX,
        "rounding": op.rounding,
        "zero": op.zero_point,
        "low": op.low,
        "high": op.high,
        "table_base": address,
        "table_last": len(op.exp) - 1,
        "table_offset": op.offset,
        "table_shift": op.input_shift,
        **function,
        **source_fields(source),
        **output_fields(target),
    }
    table = reads(address, address + len(op.exp), out.tables.what)
    _vector(out, fields, [source], target, [access, table])


def pool(
    out: Emitter,
    op: MaxPool | AveragePool,
    source: Place,
    target: Place,
    *,
    height: int,
    width: int,
) -> None:
    """Emit pooling: a descriptor for each rectangle of output positions with equal window size."""
    _flat(source, target)
    pitch = source.row_words
    window = op.window
    _, wide = window.output_shape(height, width)
    for rows in window_runs(window, 0, height):
        for columns in window_runs(window, 1, width):
            kernel = (rows.size, columns.size)
            full = columns.length == wide
            # Rows of a rectangle narrower than the image are not contiguous: one descriptor each.
            for line in range(1 if full else rows.length):
                y = rows.start + line * window.stride[0]
                first = (rows.place + line) * wide + columns.place
                count = rows.length * wide if full else columns.length
                part = target.part(first, first + count)
                fields = {
                    **_pool_fields(op, kernel),
                    "src": source.base + (y * width + columns.start) * pitch,
                    "wide_in": int(source.bits == 16),
                    "rows": count,
                    "channels": source.channels,
                    "width": columns.length,
                    "token_step": window.stride[1] * pitch,
                    "line_step": window.stride[0] * width * pitch
                    - (columns.length - 1) * window.stride[1] * pitch,
                    "kernel_y": kernel[0],
                    "kernel_x": kernel[1],
                    "tap_step": pitch,
                    "tap_line_step": width * pitch - (kernel[1] - 1) * pitch,
                    **output_fields(part),
                }
                _vector(out, fields, [source], part, [])


def _pool_fields(op: MaxPool | AveragePool, kernel: tuple[int, int]) -> dict[str, int]:
    limits = {"low": op.low, "high": op.high}
    if isinstance(op, MaxPool):
        return {"op": VectorOp.MAX_POOL, "rounding": Rounding.FLOOR, "multiplier": 1, **limits}
    return {
        "op": VectorOp.AVERAGE_POOL,
        "rounding": op.rounding,
        "a_zero": op.input_zero,
        "multiplier": op.multiplier(kernel[0] * kernel[1]),
        "shift": op.shift,
        "zero": op.zero_point,
        **limits,
    }


def _vector(
    out: Emitter,
    fields: dict[str, int],
    sources: list[Place],
    target: Place,
    accesses: list[Access],
) -> None:
    read = [reads(s.base, s.end) for s in sources]
    out.add(Unit.VECTOR, fields, [*accesses, *read, writes(target.base, target.end)])
