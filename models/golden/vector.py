"""Golden vector unit: reads rows of the scratchpad (or accumulators), writes rows of codes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.golden.part_sums import keep_sums, taken_sums
from models.golden.state import MachineState
from models.numerics.rescale import Integers, Rounding, rescale
from models.ops.add import Add, add
from models.ops.layer_norm import LayerNorm, layer_norm
from models.ops.requantize import Lookup, lookup
from models.ops.row_function import RowFunction, Segment
from models.ops.softmax import Softmax, softmax
from models.program.descriptor import ProgramError
from models.program.layout import (
    ORDER_LANE_BITS,
    ORDER_WORD_BITS,
    PARAM_DRAIN,
    PARAM_NORM,
    VectorOp,
    unpack,
)

UNLIMITED = 1 << 62


def vector(state: MachineState, fields: Mapping[str, int]) -> None:
    """Execute one vector descriptor."""
    op = VectorOp(fields["op"])
    if op is VectorOp.DRAIN:
        if fields["keep_sums"]:
            _keep(state, fields)
            return
        y = _drain(state, fields)
    elif op in (VectorOp.MAX_POOL, VectorOp.AVERAGE_POOL):
        y = _pool(state, fields, op)
    else:
        x = _read_rows(state, fields, "src")
        if op is VectorOp.MAP:
            y = _tail(fields, rescale(x - fields["a_zero"], *_scale(fields)))
        elif op is VectorOp.ADD:
            y = _add(state, fields, x)
        elif op is VectorOp.LAYER_NORM:
            y = _layer_norm(state, fields, x)
        else:
            y = _softmax(state, fields, x)
    if fields["table"] and op is not VectorOp.SOFTMAX:
        y = lookup(y, _lookup(state, fields))
    if op is VectorOp.DRAIN and state.spec.scatter and not fields["short"]:
        _scatter_rows(state, fields, y)
    else:
        _write_rows(state, fields, y)


def _scale(fields: Mapping[str, int]) -> tuple[int, int, Rounding]:
    return fields["multiplier"], fields["shift"], Rounding(fields["rounding"])


def _tail(fields: Mapping[str, int], scaled: Integers) -> Integers:
    clipped: Integers = np.clip(scaled + fields["zero"], fields["low"], fields["high"])
    return clipped


def _popped(state: MachineState, fields: Mapping[str, int]) -> Integers:
    """Take the accumulators of a drain: ``[rows, tiles * rows of a tile]``."""
    spec = state.spec
    acc = state.accumulators.popleft()
    columns = fields["tiles"] * (spec.dynamic_rows if fields["short"] else spec.rows)
    if acc.shape != (fields["rows"], columns):
        raise ProgramError(
            f"drain must have {acc.shape[0]} rows of {acc.shape[1]} results, "
            f"not {fields['rows']} of {columns}"
        )
    return acc


def _keep(state: MachineState, fields: Mapping[str, int]) -> None:
    """Add bias, or sums of other parts, to accumulators and keep them."""
    acc = _popped(state, fields)
    if state.spec.scatter and not fields["short"]:
        columns = acc.shape[1]
    else:
        # Whole beats: the last one has columns beyond the channels.
        lanes = state.spec.vector_lanes
        columns = min(acc.shape[1], -(-fields["channels"] // lanes) * lanes)
    _, bias, _ = _drain_params(state, fields, columns)
    if fields["take_sums"]:
        acc = acc + taken_sums(state, fields)
    else:
        acc = acc + np.pad(bias, (0, acc.shape[1] - columns))
    keep_sums(state, fields, acc)


def _drain(state: MachineState, fields: Mapping[str, int]) -> Integers:
    spec = state.spec
    acc = _popped(state, fields)
    if fields["take_sums"]:
        acc = acc + taken_sums(state, fields)
    if fields["short"] or not spec.scatter:
        acc = acc[:, : fields["channels"]]
    factor, bias, shift = _drain_params(state, fields, acc.shape[1])
    if not fields["take_sums"]:
        acc = acc + bias
    return _tail(fields, rescale(acc, factor, shift, Rounding(fields["rounding"])))


def _pool(state: MachineState, fields: Mapping[str, int], op: VectorOp) -> Integers:
    oy, ox = np.divmod(np.arange(fields["rows"]), fields["width"])
    line = (fields["width"] - 1) * fields["token_step"] + fields["line_step"]
    start = fields["src"] + oy * line + ox * fields["token_step"]
    ky, kx = np.divmod(np.arange(fields["kernel_y"] * fields["kernel_x"]), fields["kernel_x"])
    tap_line = (fields["kernel_x"] - 1) * fields["tap_step"] + fields["tap_line_step"]
    at = start[:, None] + ky * tap_line + kx * fields["tap_step"]
    x = _row_codes(state, fields, at)
    if op is VectorOp.MAX_POOL:
        return _tail(fields, rescale(x.max(axis=1) - fields["a_zero"], *_scale(fields)))
    total = (x - fields["a_zero"]).sum(axis=1)
    return _tail(fields, rescale(total, *_scale(fields)))


def _add(state: MachineState, fields: Mapping[str, int], x: Integers) -> Integers:
    spec = Add(
        a_multiplier=fields["multiplier"],
        b_multiplier=fields["b_multiplier"],
        shift=fields["shift"],
        a_zero=fields["a_zero"],
        b_zero=fields["b_zero"],
        rounding=Rounding(fields["rounding"]),
        zero_point=fields["zero"],
        low=fields["low"],
        high=fields["high"],
    )
    return add(x, _read_rows(state, fields, "src2"), spec)


def _layer_norm(state: MachineState, fields: Mapping[str, int], x: Integers) -> Integers:
    gain, offset = _params(state, fields["param"], x.shape[1], drain=False)
    spec = LayerNorm(
        gain=gain,
        offset=offset,
        mean_multiplier=fields["mean_multiplier"],
        mean_shift=fields["mean_shift"],
        root=_row_function(state, fields),
        shift=fields["shift"],
        pre_shift=fields["pre_shift"],
        rounding=Rounding(fields["rounding"]),
        low=-UNLIMITED,
        high=UNLIMITED,
    )
    return _tail(fields, layer_norm(x, spec))


def _softmax(state: MachineState, fields: Mapping[str, int], x: Integers) -> Integers:
    base = fields["table_base"]
    spec = Softmax(
        exp=state.function_table[base : base + fields["table_last"] + 1],
        reciprocal=_row_function(state, fields),
        offset=fields["table_offset"],
        input_shift=fields["table_shift"],
        rounding=Rounding(fields["rounding"]),
        zero_point=fields["zero"],
        low=fields["low"],
        high=fields["high"],
    )
    return softmax(x, spec)


def _lookup(state: MachineState, fields: Mapping[str, int]) -> Lookup:
    base = fields["table_base"]
    entries = state.function_table[base : base + fields["table_last"] + 1]
    signed = (entries ^ 0x8000) - 0x8000
    return Lookup(table=signed, offset=fields["table_offset"], shift=fields["table_shift"])


def _row_function(state: MachineState, fields: Mapping[str, int]) -> RowFunction:
    first = Segment(
        offset=fields["row_offset"],
        shift=fields["row_shift"],
        last=fields["row_last"],
        out_shift=fields["row_out_shift"],
    )
    second = Segment(
        offset=fields["row2_offset"],
        shift=fields["row2_shift"],
        last=fields["row2_last"],
        base=fields["row2_base"],
        out_shift=fields["row2_out_shift"],
    )
    base = fields["row_base"]
    return RowFunction(
        table=state.row_table[base : base + 1024],
        first=first,
        second=second if fields["row_two"] else None,
        floating=bool(fields["row_floating"]),
        even=bool(fields["row_even"]),
    )


def _drain_params(state: MachineState, fields: Mapping[str, int], columns: int) -> list[Integers]:
    """Return factor, bias and shift of every column of a drain."""
    entry = fields["param"]
    if fields["param_step"]:
        return _params(state, entry, columns, drain=True)
    repeat = -(-columns // state.spec.vector_lanes)
    one = _params(state, entry, state.spec.vector_lanes, drain=True)
    return [np.tile(p, repeat)[:columns] for p in one]


def _params(state: MachineState, entry: int, channels: int, *, drain: bool) -> list[Integers]:
    layout = PARAM_DRAIN if drain else PARAM_NORM
    start = entry * state.spec.vector_lanes
    if start + channels > state.spec.param_entries * state.spec.vector_lanes:
        raise ProgramError(
            f"parameters must end inside {state.spec.param_entries} entries, not at channel "
            f"{start + channels}"
        )
    raw = state.params.reshape(-1, 9)[start : start + channels]
    rows = [unpack(layout, int.from_bytes(r.tobytes(), "little")) for r in raw]
    return [np.array([r[name] for r in rows], dtype=np.int64) for name in layout]


def _read_rows(state: MachineState, fields: Mapping[str, int], name: str) -> Integers:
    rows = np.arange(fields["rows"])
    return _row_codes(state, fields, fields[name] + rows * fields[f"{name}_stride"])


def _row_codes(state: MachineState, fields: Mapping[str, int], at: Integers) -> Integers:
    """Read the codes of rows that start at word addresses ``at``: ``[..., channels]``."""
    size = 1 + fields["wide_in"]
    words = -(-fields["channels"] * size // state.spec.word_bytes)
    data = state.words(at[..., None] + np.arange(words))
    flat = np.ascontiguousarray(data).reshape(*at.shape, -1)
    kind = "<i2" if fields["wide_in"] else "i1"
    codes = flat[..., : flat.shape[-1] // size * size].view(kind)
    wide: Integers = codes[..., : fields["channels"]].astype(np.int64)
    return wide


def _scatter_rows(state: MachineState, fields: Mapping[str, int], y: Integers) -> None:
    """Write results ``[rows, beats * vector_lanes]`` where the row order's entries say.

    Each byte of a word may take one of the beat's results; with 16-bit results an even column takes
    the low byte, an odd column the high byte.
    """
    spec = state.spec
    beats = y.shape[1] // spec.vector_lanes
    if fields["order"] + beats > spec.param_entries:
        raise ProgramError(
            f"row order must end inside {spec.param_entries} entries, not at "
            f"{fields['order'] + beats}"
        )
    rows = fields["out"] + np.arange(len(y)) * fields["out_stride"]
    for beat in range(beats):
        entry = state.order[fields["order"] + beat].astype(np.int64)
        lane = entry & (1 << ORDER_LANE_BITS) - 1
        columns = np.flatnonzero(entry >> ORDER_LANE_BITS & 1)
        if not columns.size:
            continue
        digits = (entry >> 6)[: ORDER_WORD_BITS // 2]
        at = rows + int((digits << 2 * np.arange(len(digits))).sum())
        state.check(at)
        codes = y[:, beat * spec.vector_lanes + lane[columns]]
        high = (columns & 1) * fields["wide_out"]
        state.scratchpad[at[:, None], columns] = codes >> 8 * high & 0xFF


def _write_rows(state: MachineState, fields: Mapping[str, int], y: Integers) -> None:
    """Write codes ``[rows, channels]``; bytes past the channels stay unchanged."""
    spec = state.spec
    at = fields["out"] + np.arange(len(y)) * fields["out_stride"]
    kind = "<i2" if fields["wide_out"] else "i1"
    raw = np.ascontiguousarray(y.astype(kind)).view(np.uint8).reshape(len(y), -1)
    words = -(-raw.shape[1] // spec.word_bytes)
    for index in range(words):
        part = raw[:, index * spec.word_bytes : (index + 1) * spec.word_bytes]
        state.check(at + index)
        state.scratchpad[at + index, : part.shape[1]] = part
