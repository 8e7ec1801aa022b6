"""Row array: the digital engine of machines with row classes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, connect, flipped

from hdl.engine.contract import EngineSignature
from hdl.engine.row_grid import RowGrid
from hdl.engine.weight_store import WeightStore
from hdl.memory.register_slice import RegisterSlice
from hdl.rows.choose import row_blocks
from hdl.rows.kept_register import kept_register
from models.machine.spec import MachineSpec


class RowArray(Component):
    """A :class:`~hdl.engine.row_grid.RowGrid` of the spec's row classes behind a weight store.

    Latency from the last beat of a K loop to its first accumulators is that of the grid plus two
    cycles. Throughput is one beat per cycle if a K loop has at least as many beats as its drain,
    ``tokens * rows / vector_lanes``. A beat waits (``ready`` low) while its tile is incomplete or
    the drain is blocked.

    Parameters
    ----------
    spec : MachineSpec
        With row classes.
    family : str
        Primitives: ``generic``, ``xc7`` or ``xcup``.
    """

    def __init__(self, spec: MachineSpec, family: str = "generic") -> None:
        self.spec = spec
        self.family = family
        super().__init__(EngineSignature(spec))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.store = store = WeightStore(spec)
        blocks = row_blocks(
            [(kind.format, kind.rows) for kind in spec.classes],
            family=self.family,
            tokens=spec.tokens,
            lanes=spec.lanes,
            act_bits=spec.act_width,
        )
        short = spec.dynamic_rows if spec.dynamic_rows < spec.rows else 0
        m.submodules.grid = grid = RowGrid(
            blocks,
            acc_bits=spec.acc_width,
            drain=spec.vector_lanes,
            order=spec.drain_order,
            short=short,
        )
        connect(m, flipped(self.i_weights), store.i_weights)
        # The readiness of what follows would reach the enables of the whole drain.
        m.submodules.out = out = RegisterSlice(self.o_accs.payload.shape())
        connect(m, grid.o, out.i)
        connect(m, out.o, flipped(self.o_accs))

        acts = self.i_acts.payload
        accept, have, opened = Signal(), Signal(), Signal()
        ce = Signal(init=1, reset_less=True)
        held = Signal(acts["values"].shape())
        last, brief = Signal(), Signal()
        # One register for what is registered here, one for the handshake: neither logic nor the
        # pins of the grid are between it and the matrix unit.
        kept_register(m, self.family, grid.ahead, ce)
        m.d.sync += opened.eq(grid.ahead & store.ready)
        m.d.comb += [
            self.i_acts.ready.eq(opened),
            accept.eq(self.i_acts.valid & self.i_acts.ready),
            store.step.eq(accept),
            store.last.eq(acts.last),
            store.enable.eq(ce),
            store.release.eq(accept & acts.last & acts.release),
            grid.i.valid.eq(have),
            grid.i.payload.acts.eq(held),
            grid.i.payload.last.eq(last),
        ]
        if short:
            m.d.comb += grid.i.payload.short.eq(brief)
        for row in range(spec.rows):
            for lane in range(spec.lanes):
                m.d.comb += grid.i.payload.weights[row][lane].eq(store.rows[row][lane])
        with m.If(ce):
            m.d.sync += [have.eq(accept), held.eq(acts["values"]), last.eq(acts.last)]
            m.d.sync += brief.eq(store.short)
        return m
