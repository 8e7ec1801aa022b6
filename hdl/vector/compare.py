"""Comparisons with small constants."""

from __future__ import annotations

from amaranth.hdl import Const, Value


def above(value: Value, limit: int) -> Value:
    """Whether a signed value is above ``limit``, not negative: ORs instead of a carry chain."""
    bits = max(1, limit.bit_length())
    table = sum(1 << low for low in range(1 << bits) if low > limit)
    low = Const(table, 1 << bits).bit_select(value[:bits], 1)
    return ~value[-1] & (value[bits:-1].any() | low)
