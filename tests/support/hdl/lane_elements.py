"""Elements for the vector lanes under one descriptor, and by the goldens what must come of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.numerics.rescale import Integers, Rounding, rescale
from models.ops.requantize import Lookup, lookup
from models.program.layout import PARAM_DRAIN, PARAM_NORM, TABLE_ENTRIES, VectorOp, width
from tests.support.hdl.lanes import LANES

BEATS = 376
"""Of each operator under each tie rule, with a table and without: 7 * 5 * 2 * 376 * 4 elements."""


def corners(rng: np.random.Generator, bits: int, *, signed: bool = True) -> Integers:
    """A beat's worth of numbers for all beats: any size, and many at an end or beside zero."""
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    size = (BEATS, LANES)
    small = rng.integers(low, high + 1, size) >> rng.integers(0, bits, size)
    ends = rng.choice([low, low + 1, max(low, -1), 0, 1, high - 1, high], size)
    return np.where(rng.random(size) < 0.25, ends, small)


class Elements:
    """What goes into the lanes under one descriptor, and what must come out."""

    def __init__(self, rng: np.random.Generator, op: VectorOp, rule: Rounding, table: bool) -> None:
        self.rng, self.op, self.rule = rng, op, rule
        self.fields: dict[str, int] = {"op": op, "rounding": rule, "table": int(table)}
        zero = np.zeros((BEATS, LANES), dtype=np.int64)
        names = ("x", "y", "param", "square", "mean", "entry", "shift", "max")
        self.operand = dict.fromkeys(names, zero)
        self.want: dict[str, Integers] = {}
        low, high = sorted(rng.choice([-32768, -128, -5, 0, 3, 127, 32767], 2).tolist())
        if rng.random() < 0.5:
            low, high = -32768, 32767
        self.fields |= {"low": low, "high": high, "zero": self.pick(0, 0, -128, 32767, -32768, 7)}
        if table or op is VectorOp.SOFTMAX:
            last = self.pick(0, 6, 255, 1023)
            self.fields |= {
                "table_last": last,
                "table_base": self.pick(0, TABLE_ENTRIES - last - 1, 700),
                "table_offset": self.pick(0, 128, -3, (1 << 23) - 1, -(1 << 23)),
                "table_shift": self.pick(0, 1, 7, 15),
            }

    def pick(self, *values: int) -> int:
        return int(self.rng.choice(values))

    def factor(self, bits: int) -> int:
        """A multiplier of up to so many signed bits: ends, powers of two (ties!), anything."""
        top = (1 << bits - 1) - 1
        power = 1 << int(self.rng.integers(0, bits - 1))
        some = int(self.rng.integers(-top, top)) >> int(self.rng.integers(0, bits - 1))
        return self.pick(power, power, some, some, -power, top, -top, 3)

    def amount(self, bits: int) -> int:
        """A shift that leaves about 16 of so many bits, or any."""
        return self.pick(*np.clip([bits - 17, bits - 9, bits - 14, 0, 31, 32, 62], 0, 62).tolist())

    def scaled(self, a: Integers, factor: Any, shift: Any, addend: Any = 0) -> Integers:
        """Rounded and clamped, before the table."""
        f = self.fields
        y = rescale(a, factor, shift, self.rule, addend)
        return np.clip(y + f["zero"], f["low"], f["high"])

    def make(self, function_table: Integers) -> None:
        """Choose operands and compute results."""
        getattr(self, f"_{self.op.name.lower()}")(function_table)
        if self.fields["table"] and self.op is not VectorOp.SOFTMAX:
            f = self.fields
            entries = function_table[f["table_base"] : f["table_base"] + f["table_last"] + 1]
            spec = Lookup(table=entries, offset=f["table_offset"], shift=f["table_shift"])
            self.want["result"] = lookup(self.want["result"], spec)
        self.want["result"] = np.where(self.operand["square"], UNUSED, self.want["result"])

    def _drain(self, _: Integers) -> None:
        rng = self.rng
        x, bias = corners(rng, 29), corners(rng, 30)
        factor = np.vectorize(lambda _: self.factor(32))(x)
        size = np.frexp(np.maximum(np.abs((x + bias) * factor), 1))[1]
        leave = rng.choice([0, 7, 12, 16], x.shape)
        shift = np.where(rng.random(x.shape) < 0.2, rng.integers(0, 63, x.shape), size - leave)
        total = (x + bias) * factor
        ties = np.frexp((total & -total).astype(float))[1]  # one more than the trailing zeros
        chance = rng.random(x.shape)
        shift = np.where(
            chance < 0.25, ties, np.where(chance > 0.9, rng.integers(30, 35, x.shape), shift)
        )
        shift = np.clip(shift, 0, 62)
        self.operand |= {
            "x": x,
            "param": params(PARAM_DRAIN, factor=factor, bias=bias, shift=shift),
        }
        self.want["result"] = self.scaled(x + bias, factor, shift)

    def _map(self, _: Integers) -> None:
        x, zero, factor = corners(self.rng, 16), self.pick(0, -128, -32768, 32767), self.factor(32)
        shift = self.amount(16 + abs(factor).bit_length())
        self.fields |= {"a_zero": zero, "multiplier": factor, "shift": shift}
        self.operand["x"] = x
        self.want["result"] = self.scaled(x - zero, factor, shift)

    _max_pool = _map

    def _average_pool(self, _: Integers) -> None:
        x, factor = corners(self.rng, 32), self.factor(32)
        shift = self.amount(26 + abs(factor).bit_length())
        self.fields |= {"a_zero": 77, "multiplier": factor, "shift": shift}  # is in the sum
        self.operand["x"] = x
        self.want["result"] = self.scaled(x, factor, shift)

    def _add(self, _: Integers) -> None:
        x, y = corners(self.rng, 16), corners(self.rng, 16)
        a, b = self.pick(0, -128, 32767, -32768), self.pick(0, 127, -32768)
        factors = self.factor(25), self.pick(self.factor(25), -(1 << 24))
        shift = self.amount(16 + max(abs(f).bit_length() for f in factors))
        self.fields |= {"a_zero": a, "b_zero": b, "multiplier": factors[0],
                        "b_multiplier": factors[1], "shift": shift}  # fmt: skip
        self.operand |= {"x": x, "y": y}
        self.want["result"] = self.scaled(x - a, factors[0], shift, (y - b) * factors[1])

    def _layer_norm(self, _: Integers) -> None:
        rng, pre = self.rng, self.pick(0, 2, 8)
        x = corners(rng, 17 - pre if pre < 2 else 18 - pre).clip(-32768, 32767)
        wide = x << pre
        mean = corners(rng, 17).clip(wide - (1 << 17) + 1, wide + (1 << 17))
        mean = mean.clip(-(1 << 17), (1 << 17) - 1)
        entry = corners(rng, 16, signed=False)
        exponent = rng.choice([3, 4, 10, 24, 31, 62], x.shape)
        normal = ((wide - mean) * entry) >> exponent
        factor, addend = np.vectorize(lambda _: self.factor(32))(x), corners(rng, 40)
        shift = self.amount(48)
        self.fields |= {"pre_shift": pre, "shift": shift, "zero": 0}
        square = (rng.random(x.shape) < 0.3).astype(np.int64)
        self.operand |= {"x": x, "mean": mean, "entry": entry, "shift": exponent, "square": square,
                         "param": params(PARAM_NORM, factor=factor, addend=addend)}  # fmt: skip
        result = self.scaled(normal, factor, shift, addend)
        self.want |= {"result": result, "sum": wide,
                      "square": np.where(square, wide * wide, UNUSED)}  # fmt: skip

    def _softmax(self, function_table: Integers) -> None:
        f, rng = self.fields, self.rng
        x = corners(rng, 16)
        top = np.maximum(x, corners(rng, 16))
        cursor = (top - x + f["table_offset"]) >> f["table_shift"]
        e = function_table[f["table_base"] + np.clip(cursor, 0, f["table_last"])] & 0xFFFF
        entry, shift = corners(rng, 16, signed=False), rng.choice([0, 14, 20, 31, 40, 62], x.shape)
        self.operand |= {"x": x, "max": top, "entry": entry, "shift": shift}
        self.want |= {"result": self.scaled(e, entry, shift), "exp": e}


UNUSED = 1 << 40
"""In place of a value that nobody looks at."""


def params(layout: Any, **fields: Integers) -> Integers:
    """A channel's 72 bits, as Python integers."""
    word = np.zeros(next(iter(fields.values())).shape, dtype=object)
    at = 0
    for name, field in layout.items():
        word |= (fields[name].astype(object) & ((1 << field.bits) - 1)) << at
        at += field.bits
    assert at == width(layout)
    return word
