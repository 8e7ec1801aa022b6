"""Addresses on the chip that a descriptor touches, from its fields alone (docs/program.md)."""

from __future__ import annotations

import numpy as np

from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.numerics.rescale import Integers
from models.program.descriptor import Descriptor
from models.program.layout import PARAM_BYTES, LoadTarget, VectorOp, WeightSource

Touched = list[tuple[str, Integers, bool]]
"""Memory, addresses, written?"""


def span(start: int, size: int) -> Integers:
    """Successive addresses."""
    return np.arange(start, start + size)


def positions(f: dict[str, int], start: int, size: int) -> Integers:
    """First words of walked positions: line by line, a line step after the last of a line."""
    y, x = np.divmod(np.arange(size), f["width"])
    line = (f["width"] - 1) * f["token_step"] + f["line_step"]
    walked: Integers = start + y * line + x * f["token_step"]
    return walked


def taps(f: dict[str, int]) -> tuple[Integers, Integers, Integers]:
    """Row, column and distance in words of every tap of a kernel."""
    y, x = np.divmod(np.arange(f["kernel_y"] * f["kernel_x"]), f["kernel_x"])
    return y, x, y * ((f["kernel_x"] - 1) * f["tap_step"] + f["tap_line_step"]) + x * f["tap_step"]


def words(starts: Integers, size: int) -> Integers:
    """Every word of rows that begin at ``starts``."""
    return np.unique(np.asarray(starts)[..., None] + np.arange(size))


def touched(spec: MachineSpec, one: Descriptor) -> Touched:
    """Addresses on the chip that a descriptor reads and writes."""
    f = dict(one.fields)
    match one.unit:
        case Unit.LOAD:
            return _load(spec, f)
        case Unit.STORE:
            return [("scratchpad", span(f["address"], f["words"]), False)]
        case Unit.WEIGHT:
            if f["source"] == WeightSource.STREAM:
                return []
            keys = (f["entries"] - 1) * spec.lanes + f["last_lanes"]
            if f["source"] == WeightSource.DIRECT:
                starts = f["base"] + np.arange(f["rows"]) * f["stride"]
                return [("scratchpad", words(starts, -(-f["entries"] // spec.tokens)), False)]
            starts = f["base"] + np.arange(keys) * f["stride"]
            return [("scratchpad", words(starts, -(-f["rows"] // spec.word_bytes)), False)]
        case Unit.MATRIX:
            ky, kx, distance = taps(f)
            oy, ox = np.divmod(np.arange(f["tokens"]), f["width"])
            y = f["start_y"] + oy[:, None] * f["stride_y"] + ky * f["dilation_y"]
            x = f["start_x"] + ox[:, None] * f["stride_x"] + kx * f["dilation_x"]
            inside = (y >= 0) & (y < f["in_height"]) & (x >= 0) & (x < f["in_width"])
            at = positions(f, f["base"], f["tokens"])[:, None] + distance
            return [("scratchpad", words(at[inside], f["words"]), False)]
        case Unit.VECTOR:
            return _vector(spec, f)
    raise AssertionError(f"tests/support/addresses.py must say what {one.unit.name} touches")


def in_windows(spec: MachineSpec, one: Descriptor) -> Touched:
    """Bus beats of the memory windows that a descriptor reads and writes; all count from 0."""
    f = one.fields
    if one.unit not in (Unit.LOAD, Unit.STORE):
        return []
    count = f["beats"] if one.unit is Unit.LOAD else f["words"] * spec.beats_per_word
    beats = span(f["offset"] // spec.axi_bytes, count)
    return [(f"window {f['window']}", beats, one.unit is Unit.STORE)]


def _load(spec: MachineSpec, f: dict[str, int]) -> Touched:
    size = f["beats"] * spec.axi_bytes
    match LoadTarget(f["target"]):
        case LoadTarget.WEIGHTS:
            return []
        case LoadTarget.SCRATCHPAD:
            return [("scratchpad", span(f["address"], size // spec.word_pitch), True)]
        case LoadTarget.PARAMS:
            entries = -(-size // (PARAM_BYTES * spec.vector_lanes))
            return [("params", span(f["address"], entries), True)]
        case LoadTarget.FUNCTION_TABLE:
            return [("function table", span(f["address"], size // 2), True)]
        case LoadTarget.ROW_TABLE:
            return [("row table", span(f["address"], size // 2), True)]
        case LoadTarget.ORDER:
            return [("row order", span(f["address"], size // spec.word_pitch), True)]
        case _:
            return []


def _vector(spec: MachineSpec, f: dict[str, int]) -> Touched:
    op = VectorOp(f["op"])

    def row_words(wide: str) -> int:
        return -(-f["channels"] * (1 + f[wide]) // spec.word_bytes)

    def rows(name: str) -> Integers:
        return f[name] + np.arange(f["rows"]) * f[f"{name}_stride"]

    found: Touched = [("scratchpad", words(rows("out"), row_words("wide_out")), True)]
    if op in (VectorOp.MAX_POOL, VectorOp.AVERAGE_POOL):
        at = positions(f, f["src"], f["rows"])[:, None] + taps(f)[2]
        found.append(("scratchpad", words(at, row_words("wide_in")), False))
    elif op is not VectorOp.DRAIN:
        found.append(("scratchpad", words(rows("src"), row_words("wide_in")), False))
    if op is VectorOp.ADD:
        found.append(("scratchpad", words(rows("src2"), row_words("wide_in")), False))
    if op in (VectorOp.DRAIN, VectorOp.LAYER_NORM):
        scattered = op is VectorOp.DRAIN and spec.scatter and not f["short"]
        results = f["tiles"] * spec.rows if scattered else f["channels"]
        beats = -(-results // spec.vector_lanes)
        found.append(("params", span(f["param"], beats if f["param_step"] else 1), False))
        if scattered:
            found.append(("row order", span(f["order"], beats), False))
    if f["table"] or op is VectorOp.SOFTMAX:
        found.append(("function table", span(f["table_base"], f["table_last"] + 1), False))
    if op in (VectorOp.LAYER_NORM, VectorOp.SOFTMAX):
        size = 1024 if f["row_floating"] else f["row_last"] + 1
        found.append(("row table", span(f["row_base"], size), False))
        if f["row_two"]:
            base = f["row_base"] + f["row2_base"]
            found.append(("row table", span(base, f["row2_last"] + 1), False))
    return found
