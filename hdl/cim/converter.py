"""The converter of a column: successive approximation, one decision per cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.shape import MacroShape, index_bits


class Converter(Component):
    """Samples a sum, then decides bit by bit, most significant first, each step with fresh noise.

    A conversion is ``adc_bits + 1`` steps in consecutive cycles. Step ``adc_bits`` samples: it
    captures sum plus noise and sets the threshold to the base. Step ``b`` decides bit ``b``. The
    registers of a column (base, and a weight for each bit) are one memory, with one read per step.

    Latency: ``step`` comes one cycle before the step's ``noise``; the code is valid from the cycle
    after the last step until the cycle after the next sampling. Throughput one conversion per
    ``adc_bits + 1`` cycles. With ``relu`` high a negative first decision ends the column's
    conversion: its comparator decides no more. This saves no cycle, as all columns convert in
    lockstep.

    Attributes
    ----------
    valid, step : in
        One cycle ahead of the step's ``sum`` and ``noise``.
    relu : in
        Constant during a layer; relu macros only.
    register, register_write, index, bow_write : in
        Write port of the threshold registers, and of the bow of code ``index``.
    code : out
        Result of the conversion.
    """

    def __init__(self, shape: MacroShape, base: list[int], bow: list[int]) -> None:
        self.shape = shape
        self.base, self.bow = base, bow
        bits = shape.spec.adc_bits
        super().__init__(
            {
                "valid": In(1),
                "step": In(index_bits(bits + 1)),
                "sum": In(signed(shape.sum_bits)),
                "noise": In(signed(shape.noise_bits)),
                "relu": In(1),
                "register": In(signed(shape.register_bits)),
                "register_write": In(1),
                "bow_write": In(1),
                "index": In(max(bits, index_bits(bits + 1))),
                "code": Out(bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, bits = self.shape, self.shape.spec.adc_bits
        wide = shape.register_bits
        m.submodules.registers = registers = Memory(
            shape=signed(wide), depth=bits + 1, init=self.base
        )
        reader, writer = registers.read_port(), registers.write_port()
        m.d.comb += [
            reader.addr.eq(self.step),
            writer.addr.eq(self.index),
            writer.data.eq(self.register),
            writer.en.eq(self.register_write),
        ]
        valid, step = Signal(), Signal.like(self.step)
        m.d.sync += [valid.eq(self.valid), step.eq(self.step)]
        seen = Signal(signed(max(shape.sum_bits, shape.noise_bits) + 1))
        reached = Signal(signed(wide + (bits + 1).bit_length()))
        raised = Signal.like(reached)
        trial = Signal(bits)
        keep = Signal()
        m.d.comb += [
            raised.eq(reached + reader.data),
            trial.eq(self.code | (1 << step)),
        ]
        threshold = raised
        if shape.bow:
            m.submodules.bow = bow = Memory(shape=signed(wide), depth=1 << bits, init=self.bow)
            bow_reader, bow_writer = bow.read_port(domain="comb"), bow.write_port()
            m.d.comb += [
                bow_reader.addr.eq(trial),
                bow_writer.addr.eq(self.index[:bits]),
                bow_writer.data.eq(self.register),
                bow_writer.en.eq(self.bow_write),
            ]
            threshold = raised + bow_reader.data
        m.d.comb += keep.eq(seen + self.noise >= threshold)
        ended = Signal()
        with m.If(valid):
            with m.If(step == bits):
                m.d.sync += [
                    seen.eq(self.sum + self.noise),
                    reached.eq(reader.data),
                    self.code.eq(0),
                    ended.eq(0),
                ]
            with m.Elif(~ended):
                m.d.sync += [
                    reached.eq(Mux(keep, raised, reached)),
                    self.code.eq(Mux(keep, trial, self.code)),
                ]
                if shape.spec.relu:
                    with m.If(self.relu & (step == bits - 1) & ~keep):
                        # The middle code stands for zero.
                        m.d.sync += [ended.eq(1), self.code.eq(trial)]
        return m
