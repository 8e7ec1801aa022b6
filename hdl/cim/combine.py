"""Turns codes into a column's total: decode, weigh and add."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.shape import MacroShape, index_bits
from models.cim.cim_spec import Decomposition


def event_layout(shape: MacroShape) -> data.StructLayout:
    """Event: a conversion is complete, or was skipped.

    ``shift`` is the weight of the activation slice; ``first`` and ``final`` mark a vector's first
    and last event. ``release``, set together with ``final``, frees bank ``bank`` of the weights.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "skip": 1,
            "first": 1,
            "final": 1,
            "release": 1,
            "bank": 1,
            "shift": index_bits(shape.spec.act_bits),
        }
    )


class ColumnTotal(Component):
    """A column's sum of decoded codes over activation slices and tiles.

    Latency none from ``event``, which ``total`` already includes; codes are weighed one cycle
    before, and a decode table is read one cycle ahead of that. Throughput one event per cycle.

    Attributes
    ----------
    coming, event : in
        Event, one cycle ahead and in its own.
    zero, code : in
        Code of a skipped conversion, and code of the ``coming`` event; with a decode table ``code``
        comes one cycle before.
    negative : in
        Sign of the column's group, with ``coming``.
    index, entry, write : in
        Write port of the decode table: one entry.
    total, factors : out
        Sum of weighted codes, sum of their weights (``factors``: polarised macros only).
    """

    def __init__(self, shape: MacroShape, decode: list[int]) -> None:
        self.shape = shape
        self.decode = decode
        bits = shape.spec.adc_bits
        super().__init__(
            {
                "coming": In(event_layout(shape)),
                "event": In(event_layout(shape)),
                "zero": In(signed(bits + 2)),
                "code": In(bits),
                "negative": In(1),
                "index": In(bits),
                "entry": In(signed(shape.value_bits)),
                "write": In(1),
                "total": Out(signed(shape.column_bits)),
                "factors": Out(signed(shape.factor_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, event = self.shape, self.event
        value = Signal(signed(shape.value_bits))
        if shape.calibrated:
            depth = 1 << shape.spec.adc_bits
            m.submodules.decode = table = Memory(
                shape=signed(shape.value_bits), depth=depth, init=self.decode
            )
            reader, writer = table.read_port(), table.write_port()
            m.d.comb += [
                reader.addr.eq(self.code),
                writer.addr.eq(self.index),
                writer.data.eq(self.entry),
                writer.en.eq(self.write),
                value.eq(Mux(self.coming.skip, self.zero << shape.decode_bits, reader.data)),
            ]
        elif shape.spec.zero_skip:
            m.d.comb += value.eq(Mux(self.coming.skip, self.zero, self.code))
        else:
            m.d.comb += value.eq(self.code)
        polarised = shape.spec.decomposition is Decomposition.POLARISED
        column = signed(shape.column_bits)
        weighted = Signal(column, reset_less=True)
        held = Signal(column, reset_less=True)
        negative = Signal(reset_less=True)
        sign = negative if polarised else 0
        m.d.sync += weighted.eq(value << self.coming.shift)
        m.d.comb += self.total.eq(add_or_subtract(Mux(event.first, 0, held), weighted, sign))
        with m.If(event.valid):
            m.d.sync += held.eq(self.total)
        if polarised:
            factors = Signal(signed(shape.factor_bits), reset_less=True)
            before = Mux(event.first, 0, factors)
            m.d.sync += negative.eq(self.negative)
            m.d.comb += self.factors.eq(add_or_subtract(before, 1 << event.shift, sign))
            with m.If(event.valid):
                m.d.sync += factors.eq(self.factors)
        return m


def add_or_subtract(a, b, negative):  # type: ignore[no-untyped-def]
    """Return a sum, or a difference if ``negative``."""
    return a + b if isinstance(negative, int) else Mux(negative, a - b, a + b)
