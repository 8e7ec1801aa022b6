"""Several numbers concatenated in one signal: shorter Verilog than one signal each, same cells."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value

Numbers = Sequence[Value]
"""Signed numbers, one for each token."""


def fit(value: Value, bits: int) -> Value:
    """Truncate or sign-extend a signed number to ``bits`` bits."""
    return Cat(value, value[-1].replicate(max(0, bits - len(value))))[:bits]


def chop(value: Value, bits: int) -> list[Value]:
    """Split a signal into unsigned parts of ``bits`` bits."""
    return [value[at : at + bits] for at in range(0, len(value), bits)]


def signed_parts(value: Value, bits: int) -> Numbers:
    """Split a signal into signed parts of ``bits`` bits."""
    return [part.as_signed() for part in chop(value, bits)]


def register(m: Module, ce: Value, numbers: Numbers, bits: int, name: str) -> Numbers:
    """Register numbers, ``bits`` bits each: one cycle of latency."""
    line = Signal(bits * len(numbers), name=name)
    with m.If(ce):
        m.d.sync += line.eq(Cat(fit(number, bits) for number in numbers))
    return signed_parts(line, bits)
