"""Weights of the machine as digits of cells."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.shape import MacroShape
from hdl.engine.contract import weights_layout
from models.cim.spec import Decomposition
from models.machine_spec import MachineSpec


class Digits(Component):
    """Cuts an entry of a row into ``slices`` entries of neighbouring columns.

    Latency none, throughput one column a cycle: ``slices`` cycles an entry.

    Attributes
    ----------
    i : stream of :func:`~hdl.engine.contract.weights_layout`
    o : stream of :meth:`~hdl.cim.shape.MacroShape.cells`
    """

    def __init__(self, spec: MachineSpec, shape: MacroShape, slices: int) -> None:
        self.spec, self.shape, self.slices = spec, shape, slices
        super().__init__(
            {
                "i": In(stream.Signature(weights_layout(spec))),
                "o": Out(stream.Signature(shape.cells())),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, slices = self.shape, self.slices
        part = Signal(range(max(2, slices)))
        end = Signal()
        beat, cells = self.i.payload, self.o.payload
        # Where an entry of a row is: tile, and entry of it.
        depth = 1 << len(beat.entry)
        bits = len(cells.entry)
        places = [
            (at // shape.entries % shape.tiles) << bits | at % shape.entries for at in range(depth)
        ]
        m.submodules.places = table = Memory(shape=len(cells.tile) + bits, depth=depth, init=places)
        reader = table.read_port(domain="comb")
        m.d.comb += [
            end.eq(part == slices - 1),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & end),
            cells.column.eq(beat.row * slices + part),
            reader.addr.eq(beat.entry),
            Cat(cells.entry, cells.tile).eq(reader.data),
            cells.last.eq(beat.last & end),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += part.eq(Mux(end, 0, part + 1))
        for lane in range(shape.lanes):
            m.d.comb += cells.digits[lane].eq(self._digit(beat["values"][lane], part))
        return m

    def _digit(self, weight: Value, part: Signal) -> Value:
        spec, bits = self.shape.spec, self.shape.spec.cell_bits
        if spec.decomposition is Decomposition.BIT_SERIAL:
            return weight.as_unsigned().bit_select(part, 1)
        negative = weight < 0
        magnitude = Mux(negative, -weight, weight)[: spec.weight_bits]
        if spec.decomposition is Decomposition.NATIVE:
            digit = magnitude.word_select(part, bits)
            return Cat(digit, negative & (digit != 0))
        half = self.slices // 2
        minus = part >= half
        digit = magnitude.word_select(Mux(minus, part - half, part)[: len(part)], bits)
        return Mux(negative == minus, digit, 0)
