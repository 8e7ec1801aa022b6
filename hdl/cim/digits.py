"""Splits the machine's weights into the digits of cells."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.shape import MacroShape
from hdl.engine.contract import weights_layout
from models.cim.cim_spec import Decomposition
from models.machine.spec import MachineSpec


class Digits(Component):
    """Splits an entry of a row into ``slices`` entries of neighbouring columns.

    A paired macro takes each entry twice: positive weights for tile ``2 t``, then negative ones
    for tile ``2 t + 1``. There an entry is a whole tile, with one sign for all its weights.

    Latency none, throughput one column per cycle: ``slices`` cycles per entry, ``2 * slices`` if
    paired.

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
        part, minus = Signal(range(max(2, slices))), Signal()
        end_part, end = Signal(), Signal()
        beat, cells = self.i.payload, self.o.payload
        # Table from an entry of a row to its tile and the entry in that tile.
        depth = 1 << len(beat.entry)
        bits = len(cells.entry)
        times = 1 + shape.paired
        tiles = [at // shape.entries * times % shape.tiles for at in range(depth)]
        places = [tile << bits | at % shape.entries for at, tile in enumerate(tiles)]
        m.submodules.places = table = Memory(shape=len(cells.tile) + bits, depth=depth, init=places)
        reader = table.read_port(domain="comb")
        m.d.comb += [
            end_part.eq(part == slices - 1),
            end.eq(end_part & minus if shape.paired else end_part),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & end),
            cells.column.eq(beat.row * slices + part),
            reader.addr.eq(beat.entry),
            Cat(cells.entry, cells.tile).eq(reader.data | minus << bits),
            cells.last.eq(beat.last & end),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += part.eq(Mux(end_part, 0, part + 1))
            if shape.paired:
                m.d.sync += minus.eq(minus ^ end_part)
        weights = [beat["values"][lane] for lane in range(shape.lanes)]
        if shape.paired:
            m.d.comb += cells.negative.eq(minus & Cat(w < 0 for w in weights).any())
        for lane, weight in enumerate(weights):
            m.d.comb += cells.digits[lane].eq(self._digit(weight, part, minus))
        return m

    def _digit(self, weight: Value, part: Signal, minus: Signal) -> Value:
        spec, bits = self.shape.spec, self.shape.spec.cell_bits
        if spec.decomposition is Decomposition.BIT_SERIAL:
            return weight.as_unsigned().bit_select(part, 1)
        negative = weight < 0
        magnitude = Mux(negative, -weight, weight)[: spec.weight_bits]
        if spec.decomposition is Decomposition.NATIVE:
            digit = magnitude.word_select(part, bits)
            return Cat(digit, negative & (digit != 0))
        if spec.decomposition is Decomposition.POLARISED:
            return Mux(negative == minus, magnitude.word_select(part, bits), 0)
        half = self.slices // 2
        lower = part >= half
        digit = magnitude.word_select(Mux(lower, part - half, part)[: len(part)], bits)
        return Mux(negative == lower, digit, 0)
