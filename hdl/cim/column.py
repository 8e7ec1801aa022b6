"""The cells of a column: capacitors, stored weight digits, and the sum of charges."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.shape import MacroShape, index_bits

LATENCY = 5
"""Cycles from an entry's address to a sum that includes it."""


class Column(Component):
    """Adds ``lanes`` cells per cycle, exactly: the value of each capacitor is an integer.

    The analog column shares all charges at once; this one adds them entry after entry, from a
    memory of capacitors (the die) and a memory of digits (the weights).

    Latency five cycles from ``entry`` to ``sum``, throughput one entry per cycle.

    Attributes
    ----------
    at, entry, valid, first : in
        Bank and tile of the weights, entry in the tile, valid, and begin of a new sum.
    acts : in
        Activation slices, one cycle after the entry.
    cap_entry, caps, cap_write : in
        Write port of the capacitors: one entry.
    cell_at, cell_entry, digits, cell_write : in
        Write port of the digits: one entry.
    sum : out
        Sum of the entries since ``first``.
    """

    def __init__(self, shape: MacroShape, init: list[int]) -> None:
        self.shape = shape
        self.init = init
        entry = index_bits(shape.entries)
        at = shape.at_bits
        super().__init__(
            {
                "at": In(at),
                "entry": In(entry),
                "valid": In(1),
                "first": In(1),
                "acts": In(data.ArrayLayout(shape.spec.dac_bits, shape.lanes)),
                "cap_entry": In(entry),
                "caps": In(shape.caps().size),
                "cap_write": In(1),
                "cell_at": In(at),
                "cell_entry": In(entry),
                "digits": In(data.ArrayLayout(shape.digit_bits, shape.lanes)),
                "cell_write": In(1),
                "sum": Out(signed(shape.sum_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, spec = self.shape, self.shape.spec
        m.submodules.caps = caps = Memory(
            shape=shape.caps().size, depth=max(2, shape.entries), init=self.init
        )
        words = 1 << shape.at_bits + len(self.entry)
        m.submodules.digits = digits = Memory(
            shape=shape.digit_bits * shape.lanes, depth=words, init=[]
        )
        cap_writer, cap_reader = caps.write_port(), caps.read_port()
        digit_writer, digit_reader = digits.write_port(), digits.read_port()
        m.d.comb += [
            cap_writer.addr.eq(self.cap_entry),
            cap_writer.data.eq(self.caps),
            cap_writer.en.eq(self.cap_write),
            cap_reader.addr.eq(self.entry),
            digit_writer.addr.eq(Cat(self.cell_entry, self.cell_at)),
            digit_writer.data.eq(self.digits.as_value()),
            digit_writer.en.eq(self.cell_write),
            digit_reader.addr.eq(Cat(self.entry, self.at)),
        ]
        stored = data.View(shape.caps(), cap_reader.data)
        valid, first = Signal(LATENCY - 1), Signal(LATENCY - 1)
        m.d.sync += [valid.eq(valid << 1 | self.valid), first.eq(first << 1 | self.first)]
        products = []
        for lane in range(shape.lanes):
            digit = digit_reader.data.word_select(lane, shape.digit_bits)
            charge = Signal(sum(1 << bits for bits in shape.cap_bits).bit_length())
            negative = Signal()
            act = Signal(spec.dac_bits)
            bits = [Mux(digit[i], stored[lane][f"bit{i}"], 0) for i in range(spec.cell_bits)]
            product = Signal(signed(len(charge) + spec.dac_bits + 1))
            m.d.sync += [
                charge.eq(sum(bits[1:], bits[0])),
                act.eq(self.acts[lane]),
                product.eq(Mux(negative, -(charge * act), charge * act)),
            ]
            if spec.signed:
                m.d.sync += negative.eq(digit[-1])
            products.append(product)
        total = Signal(signed(shape.sum_bits))
        m.d.sync += total.eq(sum(products[1:], products[0]))
        with m.If(valid[-1]):
            m.d.sync += self.sum.eq(Mux(first[-1], 0, self.sum) + total)
        return m
