"""Numbers side by side in one signal: less Verilog than a signal for each, and the same cells."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value

Numbers = Sequence[Value]
"""Signed numbers, one for each token."""


def fit(value: Value, bits: int) -> Value:
    """A signed number in so many bits."""
    return Cat(value, value[-1].replicate(max(0, bits - len(value))))[:bits]


def chop(value: Value, bits: int) -> list[Value]:
    """Its parts of so many bits, unsigned."""
    return [value[at : at + bits] for at in range(0, len(value), bits)]


def signed_parts(value: Value, bits: int) -> Numbers:
    """Its parts of so many bits, signed."""
    return [part.as_signed() for part in chop(value, bits)]


def register(m: Module, ce: Value, numbers: Numbers, bits: int, name: str) -> Numbers:
    """The numbers in so many bits each, a cycle later."""
    line = Signal(bits * len(numbers), name=name)
    with m.If(ce):
        m.d.sync += line.eq(Cat(fit(number, bits) for number in numbers))
    return signed_parts(line, bits)
