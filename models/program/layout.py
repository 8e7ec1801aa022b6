"""Bit layout of descriptors: the one table that encoder, golden machine and RTL share.

A descriptor is 128 bytes, little endian. Bits 0-31 are the header, the unit's fields follow without
gaps in the order given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.machine.units import UNITS, Unit

MAGIC = 0x314D5752
"""``RWM1`` in memory order."""

VERSION = 2
DESCRIPTOR_BYTES = 128
HEADER_WORDS = 8


class LoadTarget(IntEnum):
    """Destination of loaded words."""

    SCRATCHPAD = 0
    WEIGHTS = 1
    PARAMS = 2
    FUNCTION_TABLE = 3
    ROW_TABLE = 4
    ORDER = 5
    ENGINE = 6


class WeightSource(IntEnum):
    """Source of a weight tile."""

    STREAM = 0
    DIRECT = 1
    TRANSPOSED = 2


class VectorOp(IntEnum):
    """Operator of the vector unit."""

    DRAIN = 0
    MAP = 1
    ADD = 2
    MAX_POOL = 3
    AVERAGE_POOL = 4
    LAYER_NORM = 5
    SOFTMAX = 6


class Field(NamedTuple):
    """A field of a descriptor: number of bits, and two's complement or unsigned."""

    bits: int
    signed: bool = False


ADDRESS = Field(20)
STEP = Field(24, True)
COUNT = Field(20)

SUM_BITS = STEP.bits
"""Of sums of an address and steps; all are compared with the scratchpad's end."""

PROGRAM_WINDOW, INPUT_WINDOW, OUTPUT_WINDOW, WORK_WINDOW = range(4)
"""Memory windows by use. Only those from ``OUTPUT_WINDOW`` on are written to."""

HEADER: Mapping[str, Field] = {
    "unit": Field(3),
    "wait": Field(UNITS),
    "signal": Field(UNITS),
    "reserved": Field(3),
    "tag": Field(16),
}

LOAD: Mapping[str, Field] = {
    "target": Field(3),
    "window": Field(2),
    "address": ADDRESS,
    "offset": Field(32),
    "beats": Field(24),
}

STORE: Mapping[str, Field] = {
    "window": Field(2),
    "address": ADDRESS,
    "offset": Field(32),
    "words": Field(24),
}

WEIGHT: Mapping[str, Field] = {
    "source": Field(2),
    "tiles": COUNT,
    "entries": Field(14),
    "base": ADDRESS,
    "stride": STEP,
    "rows": COUNT,
    "last_lanes": Field(8),
    "zero": Field(9, True),
}

MATRIX: Mapping[str, Field] = {
    "tiles": COUNT,
    "tokens": COUNT,
    "base": STEP,
    "width": Field(14),
    "in_height": Field(14),
    "in_width": Field(14),
    "start_y": Field(14, True),
    "start_x": Field(14, True),
    "stride_y": Field(8),
    "stride_x": Field(8),
    "dilation_y": Field(8),
    "dilation_x": Field(8),
    "kernel_y": Field(12),
    "kernel_x": Field(12),
    "words": Field(12),
    "last_beats": Field(6),
    "token_step": STEP,
    "line_step": STEP,
    "tap_step": STEP,
    "tap_line_step": STEP,
    "zero": Field(9, True),
}

VECTOR: Mapping[str, Field] = {
    "op": Field(3),
    "rounding": Field(3),
    "wide_in": Field(1),
    "wide_out": Field(1),
    "table": Field(1),
    "tiles": COUNT,
    "rows": COUNT,
    "channels": COUNT,
    "src": ADDRESS,
    "src_stride": STEP,
    "src2": ADDRESS,
    "src2_stride": STEP,
    "out": ADDRESS,
    "out_stride": STEP,
    "param": Field(14),
    "param_step": Field(1),
    "zero": Field(16, True),
    "low": Field(16, True),
    "high": Field(16, True),
    "a_zero": Field(16, True),
    "b_zero": Field(16, True),
    "multiplier": Field(32, True),
    "b_multiplier": Field(25, True),
    "shift": Field(6),
    "table_base": Field(11),
    "table_last": Field(10),
    "table_offset": Field(24, True),
    "table_shift": Field(4),
    "pre_shift": Field(4),
    "mean_multiplier": Field(17),
    "mean_shift": Field(6),
    "row_floating": Field(1),
    "row_even": Field(1),
    "row_two": Field(1),
    "row_base": Field(11),
    "row_offset": Field(48, True),
    "row_shift": Field(6),
    "row_last": Field(10),
    "row_out_shift": Field(6),
    "row2_offset": Field(48, True),
    "row2_shift": Field(6),
    "row2_last": Field(10),
    "row2_base": Field(11),
    "row2_out_shift": Field(6),
    "width": Field(14),
    "token_step": STEP,
    "line_step": STEP,
    "kernel_y": Field(12),
    "kernel_x": Field(12),
    "tap_step": STEP,
    "tap_line_step": STEP,
    "order": Field(14),
    "short": Field(1),
    "keep_sums": Field(1),
    "take_sums": Field(1),
}

FIELDS: Mapping[Unit, Mapping[str, Field]] = {
    Unit.LOAD: LOAD,
    Unit.WEIGHT: WEIGHT,
    Unit.MATRIX: MATRIX,
    Unit.VECTOR: VECTOR,
    Unit.STORE: STORE,
    Unit.END: {},
}

PROGRAM_HEADER: Mapping[str, Field] = {
    "magic": Field(32),
    "version": Field(32),
    "fingerprint": Field(32),
    "descriptors": Field(32),
    "checksum": Field(32),
}

TABLE_ENTRIES = 2048
"""Function-table entries of each vector lane (16 bits each)."""

ROW_ENTRIES = 2048
"""Row-function entries (16 bits each)."""

PARAM_BYTES = 16
"""Bytes of a channel's parameters in memory: nine are used."""

PARAM_DRAIN: Mapping[str, Field] = {
    "factor": Field(32, True),
    "bias": Field(32, True),
    "shift": Field(8),
}
"""A channel's parameters for requantisation (72 bits)."""

ORDER_LANE_BITS = 5
ORDER_WORD_BITS = 12
"""Bits of the word's number in an entry of the row order.

An entry has one byte for each column of a word: the lane in bits 0-4, write enable in bit 5. Bits 6
and 7 of the first columns form the word's number.
"""

PARAM_NORM: Mapping[str, Field] = {"factor": Field(32, True), "addend": Field(40, True)}
"""A channel's parameters for layer norm, in the same 72 bits."""


def width(fields: Mapping[str, Field]) -> int:
    """Return the total bits of a group of fields."""
    return sum(f.bits for f in fields.values())


def pack(fields: Mapping[str, Field], values: Mapping[str, int]) -> int:
    """Pack fields into one integer, the first field lowest.

    Raises
    ------
    ValueError
        If a value does not fit its field or a name is unknown.
    """
    unknown = set(values) - set(fields)
    if unknown:
        raise ValueError(f"descriptor field must be one of {sorted(fields)}, not {unknown.pop()!r}")
    word, at = 0, 0
    for name, field in fields.items():
        value = int(values.get(name, 0))
        low = -(1 << field.bits - 1) if field.signed else 0
        high = (1 << field.bits - field.signed) - 1
        if not low <= value <= high:
            raise ValueError(f"descriptor field {name} must be {low} to {high}, not {value}")
        word |= (value & ((1 << field.bits) - 1)) << at
        at += field.bits
    return word


def pack_columns(
    fields: Mapping[str, Field], columns: Mapping[str, NDArray[np.int64]], size: int
) -> bytes:
    """Pack many rows of byte-aligned fields, padded to ``size`` bytes each; missing fields are 0.

    Raises
    ------
    ValueError
        If a value does not fit its field.
    """
    count = len(next(iter(columns.values())))
    rows = np.zeros((count, size), dtype=np.uint8)
    at = 0
    for name, field in fields.items():
        octets = field.bits // 8
        if name in columns:
            values = columns[name]
            low = -(1 << field.bits - 1) if field.signed else 0
            high = (1 << field.bits - field.signed) - 1
            wrong = values[(values < low) | (values > high)]
            if wrong.size:
                raise ValueError(f"field {name} must be {low} to {high}, not {wrong[0]}")
            rows[:, at : at + octets] = (
                values.astype("<i8").view(np.uint8).reshape(count, 8)[:, :octets]
            )
        at += octets
    return rows.tobytes()


def unpack(fields: Mapping[str, Field], word: int) -> dict[str, int]:
    """Unpack fields: the inverse of :func:`pack`; bits above the last field are ignored."""
    values, at = {}, 0
    for name, field in fields.items():
        value = (word >> at) & ((1 << field.bits) - 1)
        if field.signed and value >> (field.bits - 1):
            value -= 1 << field.bits
        values[name] = value
        at += field.bits
    return values


for _unit, _fields in FIELDS.items():
    if width(HEADER) != 32 or width(_fields) + 32 > 8 * DESCRIPTOR_BYTES:
        raise AssertionError(f"descriptor of {_unit.name} must fit {DESCRIPTOR_BYTES} bytes")
