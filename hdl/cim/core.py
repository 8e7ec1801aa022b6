"""Walk, columns, converters and totals: the part of the macro under one clock enable."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hdl.cim.column import Column
from hdl.cim.combine import ColumnTotal, event_layout
from hdl.cim.conversion_walk import Walk
from hdl.cim.converter import Converter
from hdl.cim.noise import ColumnNoise, SharedNoise
from hdl.cim.shape import MacroShape, Write
from hdl.cim.tables import Tables
from models.cim.cim_spec import Decomposition

AHEAD = 6
"""Latency of two paths that must agree: walk's entry to column sum, step's number to noise."""


class Core(Component):
    """The macro without its output path; it has no back-pressure but the macro's clock enable.

    Latency from the last entry of a slice to its event ``adc_bits + 7`` cycles, one more with
    decode tables; throughput as in :class:`~hdl.cim.conversion_walk.Walk`.

    Attributes
    ----------
    i_weights, i_acts : streams
    config, write : in
        An item of the configuration stream; only while no vector is in progress.
    zero, relu : in
        Registers of the current layer.
    event, total, factors : out
        An event, and the sums of all columns including it.
    """

    def __init__(self, shape: MacroShape, tables: Tables) -> None:
        self.shape, self.tables = shape, tables
        columns = shape.spec.columns
        self.polarised = shape.spec.decomposition is Decomposition.POLARISED
        factors = columns if self.polarised else 1
        super().__init__(
            {
                "i_weights": In(stream.Signature(shape.cells())),
                "i_acts": In(stream.Signature(shape.acts())),
                "config": In(shape.config()),
                "write": In(1),
                "zero": In(signed(shape.spec.adc_bits + 2)),
                "relu": In(1),
                "event": Out(event_layout(shape)),
                "total": Out(data.ArrayLayout(signed(shape.column_bits), columns)),
                "factors": Out(data.ArrayLayout(signed(shape.factor_bits), factors)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, spec = self.shape, self.shape.spec
        m.submodules.walk = walk = Walk(shape)
        m.submodules.noise = noise = SharedNoise()
        connect(m, flipped(self.i_acts), walk.i)
        filled = self._banks(m, walk)
        key = Signal(32, init=self.tables.noise_key)
        with m.If(self._writes(Write.DIE)):
            m.d.sync += key.eq(self.config.data)
        m.d.comb += [
            walk.layer.eq(self.config.data),
            walk.open.eq(self._writes(Write.LAYER)),
            walk.filled.eq(filled),
            noise.number.eq(walk.number),
            noise.word.eq(walk.step >> 2),
            noise.seed.eq(key + walk.run),
            noise.new_run.eq(walk.new_run),
        ]
        late = AHEAD + 1 + spec.adc_bits + shape.calibrated
        m.d.comb += self.event.eq(delayed(m, walk.event, late, "event"))
        step = delayed(m, walk.step, 3, "step")
        m.d.comb += (shared := Signal(2)).eq(step)
        sampling = step == spec.adc_bits
        decide = delayed(m, step, 2, "decide")
        decide_valid = delayed(m, walk.step_valid, 5, "decide_valid")
        cells = self.i_weights.payload
        index = self.config.index
        for c in range(spec.columns):
            m.submodules[f"column{c}"] = column = Column(shape, self.tables.caps[c])
            m.submodules[f"noise{c}"] = own = ColumnNoise(shape, self.tables.noise)
            m.submodules[f"converter{c}"] = converter = Converter(
                shape, self.tables.registers[c], self.tables.bow
            )
            m.submodules[f"total{c}"] = total = ColumnTotal(shape, self.tables.decode[c])
            here = self.config.column == c if spec.columns > 1 else 1
            mine = cells.column == c if spec.columns > 1 else 1
            own_key = Signal(32, init=self.tables.keys[c], name=f"key{c}")
            with m.If(self._writes(Write.KEY) & here):
                m.d.sync += own_key.eq(self.config.data)
            taken = self.i_weights.valid & self.i_weights.ready & mine
            m.d.comb += [
                column.at.eq(walk.at),
                column.entry.eq(walk.entry),
                column.valid.eq(walk.valid),
                column.first.eq(walk.first),
                column.acts.eq(walk.acts),
                column.cap_entry.eq(index),
                column.caps.eq(self.config.data),
                column.cap_write.eq(self._writes(Write.CAPS) & here),
                column.cell_at.eq(self._at),
                column.cell_entry.eq(cells.entry),
                column.digits.eq(cells.digits),
                column.cell_write.eq(taken),
                own.shared.eq(noise.shared),
                own.key.eq(own_key),
                own.byte.eq(shared),
                own.sampling.eq(sampling),
                own.table.eq(index),
                own.entry.eq(self.config.data),
                own.write.eq(self._writes(Write.NOISE)),
                converter.valid.eq(decide_valid),
                converter.step.eq(decide),
                converter.sum.eq(column.sum),
                converter.noise.eq(own.value),
                converter.relu.eq(self.relu),
                converter.register.eq(self.config.data),
                converter.index.eq(index),
                converter.register_write.eq(self._writes(Write.REGISTER) & here),
                converter.bow_write.eq(self._writes(Write.BOW)),
                total.event.eq(self.event),
                total.zero.eq(self.zero),
                total.code.eq(converter.code),
                total.index.eq(index),
                total.entry.eq(self.config.data),
                total.write.eq(self._writes(Write.DECODE) & here),
                self.total[c].eq(total.total),
            ]
            if self.polarised:
                m.d.comb += self.factors[c].eq(total.factors)
                sign = self._sign(m, c, walk, taken)
                m.d.comb += total.negative.eq(delayed(m, sign, late - 2, f"sign{c}"))
        if not self.polarised:
            # Without group signs all columns have the same factors: one register serves them.
            factors = Signal(signed(shape.factor_bits))
            before = Mux(self.event.first, 0, factors)
            m.d.comb += self.factors[0].eq(before + (1 << self.event.shift))
            with m.If(self.event.valid):
                m.d.sync += factors.eq(self.factors[0])
        return m

    def _writes(self, kind: Write):  # type: ignore[no-untyped-def]
        return self.write & (self.config.kind == kind)

    def _banks(self, m: Module, walk: Walk) -> Signal:
        """Return one flag per bank: its weights are complete.

        A bank accepts new weights only after its last event.
        """
        shape = self.shape
        filled, held, fill = Signal(2), Signal(2), Signal()
        self._at = Signal(len(walk.at))
        stored = Signal()
        m.d.comb += [
            self._at.eq(self.i_weights.payload.tile),
            self.i_weights.ready.eq(~held.bit_select(fill, 1)),
            stored.eq(self.i_weights.valid & self.i_weights.ready & self.i_weights.payload.last),
        ]
        if shape.banks == 2:
            m.d.sync += fill.eq(fill ^ stored)
            m.d.comb += self._at[-1].eq(fill)
        end = self.event.valid & self.event.final & self.event.release
        for bank in range(shape.banks):
            with m.If(stored & (fill == bank)):
                m.d.sync += [filled[bank].eq(1), held[bank].eq(1)]
            with m.Else():
                with m.If(walk.release & (walk.bank == bank)):
                    m.d.sync += filled[bank].eq(0)
                with m.If(end & (self.event.bank == bank)):
                    m.d.sync += held[bank].eq(0)
        return filled

    def _sign(self, m: Module, column: int, walk: Walk, write: Signal) -> Signal:
        """Return the sign of a column's group in the walked tile: two cycles of latency."""
        m.submodules[f"signs{column}"] = signs = Memory(shape=1, depth=1 << len(self._at), init=[])
        writer, reader = signs.write_port(), signs.read_port()
        m.d.comb += [
            writer.addr.eq(self._at),
            writer.data.eq(self.i_weights.payload.negative),
            writer.en.eq(write),
            reader.addr.eq(walk.at),
        ]
        return reader.data


def delayed(m: Module, value: Signal, cycles: int, name: str) -> Signal:
    """Delay a value by a number of cycles."""
    for cycle in range(cycles):
        later = Signal(value.shape(), name=f"{name}_{cycle + 1}")
        m.d.sync += later.eq(value)
        value = later
    return value
