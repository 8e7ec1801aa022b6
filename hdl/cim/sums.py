"""Delays and sums of many terms, a few at a time, with registers between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Shape, Signal, Value, signed

RADIX = 4
"""Terms added between two registers: two levels of carry chains or the like."""


def delayed(m: Module, value: Any, cycles: int, name: str, *, data: bool = False) -> Any:
    """Delay a value by a number of cycles; ``data`` that means nothing needs no reset."""
    for cycle in range(cycles):
        later = Signal(value.shape(), name=f"{name}_{cycle + 1}", reset_less=data)
        m.d.sync += later.eq(value)
        value = later
    return value


def levels(count: int) -> int:
    """Latency of :func:`added` in cycles: none for a single term."""
    return levels(-(-count // RADIX)) + 1 if count > 1 else 0


def added(m: Module, terms: Sequence[Value], name: str, most: int = 1 << 16) -> Value:
    """Add signed or unsigned terms; throughput one sum per cycle.

    The sum is exact up to ``most`` bits. Registers have no reset: their contents mean nothing.
    """
    level = 0
    while len(terms) > 1:
        terms = grouped(m, terms, RADIX, f"{name}_{level}", most)
        level += 1
    return terms[0]


def grouped(
    m: Module, terms: Sequence[Value], radix: int, name: str, most: int = 1 << 16
) -> list[Value]:
    """Add groups of ``radix`` terms: one cycle of :func:`added`."""
    merged: list[Value] = []
    for start in range(0, len(terms), radix):
        total = sum(terms[start + 1 : start + radix], terms[start])
        shape = Shape.cast(total.shape())
        kept = signed(min(shape.width, most)) if shape.signed else min(shape.width, most)
        register = Signal(kept, name=f"{name}_{start}", reset_less=True)
        m.d.sync += register.eq(total)
        merged.append(register)
    return merged
