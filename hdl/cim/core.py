"""Walk, columns, converters and totals: the part of the macro under a clock enable."""

from __future__ import annotations

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hdl.cim.column import acts_latency, column_latency
from hdl.cim.column_path import KINDS, ColumnPath, ahead, common_ports, late, walked_layout
from hdl.cim.combine import event_layout
from hdl.cim.conversion_walk import Walk
from hdl.cim.converter import encode_write
from hdl.cim.noise import COLUMN_LATENCY, SHARED_LATENCY, SharedNoise
from hdl.cim.shape import MacroShape, Write
from hdl.cim.sums import delayed
from hdl.cim.tables import Tables
from models.cim.cim_spec import Decomposition


class Core(Component):
    """The macro without its output path; it has no back-pressure but the macro's clock enables.

    Latency from the last entry of a slice to its event :func:`~hdl.cim.column_path.late`;
    throughput as in :class:`~hdl.cim.conversion_walk.Walk`. Tables are written one or two cycles
    after their item.

    Attributes
    ----------
    go : in
        Clock enables, all of them equal: of the part before the columns, and of each column.
    i_weights, i_acts : streams
    config, write : in
        An item of the configuration stream; only while no vector is in progress.
    zero, relu : in
        Registers of the current layer.
    coming, event, total, factors : out
        The event of the next cycle (if enabled), an event, and the sums of all columns including
        it.
    """

    def __init__(self, shape: MacroShape, tables: Tables) -> None:
        self.shape, self.tables = shape, tables
        columns = shape.spec.columns
        factors = columns if shape.spec.decomposition is Decomposition.POLARISED else 1
        super().__init__(
            {
                "go": In(1 + columns),
                "i_weights": In(stream.Signature(shape.cells())),
                "i_acts": In(stream.Signature(shape.acts())),
                "config": In(shape.config()),
                "write": In(1),
                "zero": In(signed(shape.spec.adc_bits + 2)),
                "relu": In(1),
                "coming": Out(event_layout(shape)),
                "event": Out(event_layout(shape)),
                "total": Out(data.ArrayLayout(signed(shape.column_bits), columns)),
                "factors": Out(data.ArrayLayout(signed(shape.factor_bits), factors)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, spec = self.shape, self.shape.spec
        front = Front(shape, self.tables)
        m.submodules.front = EnableInserter(self.go[0])(front)
        connect(m, flipped(self.i_weights), front.i_weights)
        connect(m, flipped(self.i_acts), front.i_acts)
        m.d.comb += [
            front.config.eq(self.config),
            front.write.eq(self.write),
            self.coming.eq(front.common.coming),
            self.event.eq(front.common.event),
            self.factors[0].eq(front.factors),
        ]
        common = common_ports(shape)
        for c in range(spec.columns):
            path = ColumnPath(shape, self.tables, c)
            m.submodules[f"column{c}"] = EnableInserter(self.go[1 + c])(path)
            m.d.comb += [
                *(getattr(path, name).eq(getattr(front.common, name)) for name in common),
                path.cells.eq(self.i_weights.payload),
                path.relu.eq(self.relu),
                path.zero.eq(self.zero),
                self.total[c].eq(path.total),
            ]
            if spec.decomposition is Decomposition.POLARISED:
                m.d.comb += self.factors[c].eq(path.factors)
        return m


class Front(Component):
    """All that the columns share: walk, hash, flags of the banks, and delays.

    Attributes
    ----------
    i_weights, i_acts, config, write : as in :class:`Core`
    common : out
        To the columns (:func:`~hdl.cim.column_path.common_ports`).
    factors : out
        Sum of weights of codes, the same in all columns but those of polarised macros.
    """

    def __init__(self, shape: MacroShape, tables: Tables) -> None:
        self.shape, self.tables = shape, tables
        super().__init__(
            {
                "i_weights": In(stream.Signature(shape.cells())),
                "i_acts": In(stream.Signature(shape.acts())),
                "config": In(shape.config()),
                "write": In(1),
                "common": Out(data.StructLayout(common_ports(shape))),
                "factors": Out(signed(shape.factor_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, spec = self.shape, self.shape.spec
        common = self.common
        m.submodules.walk = walk = Walk(shape)
        m.submodules.noise = noise = SharedNoise()
        connect(m, flipped(self.i_acts), walk.i)
        filled = self._banks(m, walk)
        # Items come from a translation; behind a register they have a whole cycle to all tables.
        item = Signal(shape.config(), reset_less=True)
        writes = Signal(len(KINDS))
        m.d.sync += [
            item.eq(self.config),
            writes.eq(Cat(self.write & (self.config.kind == kind) for kind in KINDS)),
        ]
        key = Signal(32, init=self.tables.noise_key)
        if not self.tables.fixed:
            with m.If(writes[KINDS.index(Write.DIE)]):
                m.d.sync += key.eq(item.data)
        register, bow = (writes[KINDS.index(kind)] for kind in (Write.REGISTER, Write.BOW))
        m.d.comb += [
            common.config.eq(item),
            common.writes.eq(writes),
            common.write.eq(encode_write(m, shape, item, register, bow)),
            walk.layer.eq(self.config.data),
            walk.open.eq(self.write & (self.config.kind == Write.LAYER)),
            walk.filled.eq(filled),
            noise.number.eq(walk.number),
            noise.word.eq(walk.step >> 2),
            noise.seed.eq(key + walk.run),
            noise.new_run.eq(walk.new_run),
        ]
        coming = delayed(m, walk.event, late(shape) - 1, "event")
        event = delayed(m, coming, 1, "event_now")
        m.d.comb += [common.coming.eq(coming), common.event.eq(event)]

        # The faster one of two paths waits: to the sum of a column, and to its noise.
        wait = ahead(shape) - 1 - column_latency(shape)
        walked = Signal(walked_layout(shape))
        m.d.comb += [
            walked.at.eq(walk.at),
            walked.entry.eq(walk.entry),
            walked.valid.eq(walk.valid),
            walked.first.eq(walk.first),
            common.walked.eq(delayed(m, walked, wait, "walked")),
        ]
        acts = delayed(m, walk.acts, wait + acts_latency(shape) - 1, "acts", data=True)
        wait = ahead(shape) - SHARED_LATENCY - COLUMN_LATENCY
        step = delayed(m, walk.step, SHARED_LATENCY + wait, "step", data=True)
        m.d.comb += [
            common.acts.eq(acts),
            common.shared.eq(delayed(m, noise.shared, wait, "shared", data=True)),
            common.byte.eq(step),
            common.sampling.eq(step == spec.adc_bits),
            common.step.eq(delayed(m, step, COLUMN_LATENCY - 1, "decide", data=True)),
            common.step_valid.eq(delayed(m, walk.step_valid, ahead(shape) - 1, "step_valid")),
        ]
        factor = Signal(shape.factor_bits, reset_less=True)
        factors = Signal(signed(shape.factor_bits), reset_less=True)
        m.d.sync += factor.eq(1 << coming.shift)
        m.d.comb += self.factors.eq(Mux(event.first, 0, factors) + factor)
        with m.If(event.valid):
            m.d.sync += factors.eq(self.factors)
        return m

    def _banks(self, m: Module, walk: Walk) -> Signal:
        """Return one flag per bank: its weights are complete.

        A bank accepts new weights only after its last event.
        """
        shape, common = self.shape, self.common
        filled, held, fill = Signal(2), Signal(2), Signal()
        stored = Signal()
        # Readiness reaches the enables of the weight unit: a register, made a cycle ahead.
        following = Signal(2)  # `held` of the next cycle
        room = Signal(init=1)
        m.d.comb += [
            following.eq(held),
            common.cell_at.eq(self.i_weights.payload.tile),
            self.i_weights.ready.eq(room),
            common.taken.eq(self.i_weights.valid & self.i_weights.ready),
            stored.eq(common.taken & self.i_weights.payload.last),
        ]
        next_fill = Signal()
        if shape.banks == 2:
            m.d.comb += next_fill.eq(fill ^ stored)
            m.d.sync += fill.eq(next_fill)
            m.d.comb += common.cell_at[-1].eq(fill)
        m.d.sync += [held.eq(following), room.eq(~following.bit_select(next_fill, 1))]
        end = common.event.valid & common.event.final & common.event.release
        for bank in range(shape.banks):
            with m.If(stored & (fill == bank)):
                m.d.sync += filled[bank].eq(1)
                m.d.comb += following[bank].eq(1)
            with m.Else():
                with m.If(walk.release & (walk.bank == bank)):
                    m.d.sync += filled[bank].eq(0)
                with m.If(end & (common.event.bank == bank)):
                    m.d.comb += following[bank].eq(0)
        return filled
