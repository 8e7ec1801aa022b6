"""The cells of a column: capacitors, stored weight digits, and the sum of charges."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.shape import MacroShape, index_bits
from hdl.cim.sums import added, delayed, grouped, levels


def charge_latency(shape: MacroShape) -> int:
    """Cycles to add the capacitors of a cell."""
    return max(1, levels(shape.spec.cell_bits))


def acts_latency(shape: MacroShape) -> int:
    """Cycles from an entry's address to its activations at the column."""
    return 2 + charge_latency(shape)


def column_latency(shape: MacroShape) -> int:
    """Cycles from an entry's address to a sum that includes it."""
    pairs = -(-shape.lanes // 2)
    return acts_latency(shape) + (shape.lanes > 1) + levels(pairs) + 3


class Column(Component):
    """Adds ``lanes`` cells per cycle, exactly: the value of each capacitor is an integer.

    The analog column shares all charges at once; this one adds them entry after entry, from a
    memory of capacitors (the die) and a memory of digits (the weights).

    Latency :func:`column_latency` from ``entry`` to ``sum``: address, memory, its output, charges
    of the cells, factors, products, their sum, total. Throughput one entry per cycle.

    Attributes
    ----------
    at, entry, valid, first : in
        Bank and tile of the weights, entry in the tile, valid, and begin of a new sum.
    acts : in
        Activation slices, :func:`acts_latency` cycles after the entry.
    cap_entry, caps, cap_write : in
        Write port of the capacitors: one entry; not if they are ``fixed``.
    cell_at, cell_entry, digits, cell_write : in
        Write port of the digits: one entry.
    sum : out
        Sum of the entries since ``first``.
    """

    def __init__(self, shape: MacroShape, init: list[int], *, fixed: bool = False) -> None:
        self.shape = shape
        self.init, self.fixed = init, fixed
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
        cap_reader = caps.read_port()
        if not self.fixed:
            cap_writer = caps.write_port()
            m.d.comb += [
                cap_writer.addr.eq(self.cap_entry),
                cap_writer.data.eq(self.caps),
                cap_writer.en.eq(self.cap_write),
            ]
        digit_writer, digit_reader = digits.write_port(), digits.read_port()
        # Of its own: the address has a pin at every memory of the column.
        place = Signal(len(self.entry) + shape.at_bits, reset_less=True)
        cap_place = Signal(len(self.entry), reset_less=True)
        m.d.sync += [place.eq(Cat(self.entry, self.at)), cap_place.eq(place)]
        m.d.comb += [
            cap_reader.addr.eq(cap_place),
            digit_writer.addr.eq(Cat(self.cell_entry, self.cell_at)),
            digit_writer.data.eq(self.digits.as_value()),
            digit_writer.en.eq(self.cell_write),
            digit_reader.addr.eq(place),
        ]
        latency = column_latency(shape)
        valid, first = Signal(latency - 1), Signal(latency - 1)
        m.d.sync += [valid.eq(valid << 1 | self.valid), first.eq(first << 1 | self.first)]
        # Digits are in block RAM, which is slow by itself: they go to registers. Capacitors are so
        # few entries that their memory is of LUTs; they are read a cycle later instead.
        digits_out = Signal.like(digit_reader.data, reset_less=True)
        m.d.sync += digits_out.eq(digit_reader.data)
        stored = data.View(shape.caps(), cap_reader.data)
        products = []
        for lane in range(shape.lanes):
            digit = digits_out.word_select(lane, shape.digit_bits)
            bits = [Mux(digit[i], stored[lane][f"bit{i}"], 0) for i in range(spec.cell_bits)]
            if len(bits) > 1:
                charge = added(m, bits, f"charge{lane}")
            else:
                charge = delayed(m, bits[0], 1, f"charge{lane}", data=True)
            act = self.acts[lane]
            if spec.signed:
                # The sign goes to the activation, which has fewer bits.
                negative = delayed(
                    m, digit[-1], charge_latency(shape) - 1, f"negative{lane}", data=True
                )
                act = Mux(negative, -act, act)
            factor = Signal(act.shape(), name=f"factor{lane}", reset_less=True)
            product = Signal((charge * factor).shape(), name=f"product{lane}", reset_less=True)
            m.d.sync += [factor.eq(act), product.eq(charge * factor)]
            products.append(product)
        # Two products and their sum are DSP slices; four in a cycle would be a slow cascade.
        if shape.lanes > 1:
            products = grouped(m, products, 2, "pair")
        total = added(m, products, "total")
        with m.If(valid[-1]):
            m.d.sync += self.sum.eq(Mux(first[-1], 0, self.sum) + total)
        return m
