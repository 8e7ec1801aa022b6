"""Memory of sums that wait for another part of K."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.descriptors import struct
from models.machine.spec import MachineSpec
from models.program.layout import PARAM_DRAIN, VECTOR, VectorOp


class PartSums(Component):
    """Keeps the sums of a drain, beat by beat, and gives those of an earlier one as its biases.

    The lanes add a bias to an accumulator: where sums are taken they are what is added, so that a
    drain costs the same cycles as any other. Entries are counted from 0 for each descriptor.

    Throughput one beat per cycle; ``params`` a cycle after ``ahead``, like those of the parameter
    memory; sums are kept two cycles after ``ahead``. A descriptor begins after the last sums of the
    one before were kept.

    Attributes
    ----------
    config, start : in
        The descriptor, from ``start`` on.
    ahead : in
        The operands of a beat come in the next cycle.
    beat, i : in
        The sums of a beat, two cycles after its ``ahead``.
    own : in
        Parameters of the channels.
    params : out
        The same, with sums in place of biases if the descriptor takes them.
    keeps : out
        The descriptor keeps its sums instead of writing codes; a register.
    over : out
        A beat is beyond the memory.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        lanes = spec.vector_lanes
        super().__init__(
            {
                "config": In(struct(VECTOR)),
                "start": In(1),
                "ahead": In(1),
                "beat": In(1),
                "i": In(data.ArrayLayout(signed(32), lanes)),
                "own": In(data.ArrayLayout(72, lanes)),
                "params": Out(data.ArrayLayout(72, lanes)),
                "keeps": Out(1),
                "over": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, depth = self.spec.vector_lanes, self.spec.part_sums
        m.submodules.memory = memory = Memory(shape=32 * lanes, depth=depth, init=[])
        reader, writer = memory.read_port(), memory.write_port()
        takes, uses = Signal(), Signal()
        entry = Signal(range(depth + 1))  # of the beat whose operands come next; stays at its end
        entry1, entry2 = Signal(range(depth)), Signal(range(depth))
        with m.If(self.start):
            drain = self.config.op == VectorOp.DRAIN
            m.d.sync += [
                self.keeps.eq(drain & self.config.keep_sums),
                takes.eq(drain & self.config.take_sums),
                uses.eq(drain & (self.config.keep_sums | self.config.take_sums)),
                entry.eq(0),
            ]
        with m.Elif(self.ahead & ~entry[-1]):
            m.d.sync += entry.eq(entry + 1)
        m.d.sync += [entry1.eq(entry), entry2.eq(entry1)]
        m.d.comb += [
            self.over.eq(self.ahead & uses & entry[-1]),
            reader.addr.eq(entry),
            writer.en.eq(self.beat & self.keeps),
            writer.addr.eq(entry2),
            writer.data.eq(self.i.as_value()),
        ]
        for lane in range(lanes):
            own = data.View(struct(PARAM_DRAIN), self.own[lane])
            mine = data.View(struct(PARAM_DRAIN), self.params[lane])
            stored = reader.data.word_select(lane, 32).as_signed()
            m.d.comb += self.params[lane].eq(self.own[lane])
            m.d.comb += mine.bias.eq(Mux(takes, stored, own.bias))
        return m
