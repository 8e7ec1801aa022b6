"""Engine of a macro for static weights and a small digital array for activation products."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Module, Signal
from amaranth.lib import stream
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import Component, In, Signature, connect, flipped

from hdl.cim.configure import Configure
from hdl.cim.macro_engine import CimEngine
from hdl.cim.shape import MacroShape
from hdl.engine.contract import EngineSignature
from hdl.engine.digital_array import DigitalArray
from hdl.memory.register_slice import RegisterSlice
from models.cim.choice import MacroChoice
from models.machine.spec import MachineSpec
from models.program.engine_items import ITEM_BYTES

_TILES = 4
"""Weight tiles in flight: both banks of both engines."""


def shape_of(spec: MachineSpec, macro: MacroChoice) -> MacroShape:
    """Return the shape of a machine's emulated macro.

    It has two banks, enough tiles for the machine's depth and trimmed references; a polarised macro
    is paired.
    """
    return MacroShape(
        spec=macro.spec,
        lanes=spec.lanes,
        tiles=macro.tiles(spec.depth),
        banks=2,
        trimmed=True,
        paired=macro.paired,
    )


class MacroEngine(Component):
    """The engine of a machine with a macro; short weight tiles go to the digital array.

    Tiles keep their order: the activations of a tile go to the same engine as the tile, and an
    engine begins only when the other one's results have left. Latency and throughput are those of
    :class:`~hdl.cim.macro_engine.CimEngine` and :class:`~hdl.engine.digital_array.DigitalArray`.

    Attributes
    ----------
    run : in
        Number of the run, which seeds the noise.
    i_items : stream of a program's items (:mod:`models.program.engine_items`)
    """

    def __init__(self, spec: MachineSpec) -> None:
        if spec.macro is None:
            raise ValueError("machine must have a macro, not None")
        self.spec, self.macro = spec, spec.macro
        items = stream.Signature(8 * ITEM_BYTES)
        members = EngineSignature(spec).members
        super().__init__(Signature({**members, "i_items": In(items), "run": In(32)}))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, macro = self.spec, self.macro
        shape = shape_of(spec, macro)
        small = replace(spec, rows=spec.dynamic_rows, macro=None)
        m.submodules.macro = cim = CimEngine(spec, shape, slices=macro.slices, die=macro.make_die())
        m.submodules.array = array = DigitalArray(small)
        m.submodules.configure = configure = Configure(spec, shape, macro.slices)
        m.submodules.order = order = SyncFIFOBuffered(width=1, depth=_TILES)
        # Readiness of both engines would reach the weight and the load unit.
        m.submodules.configured = configured = RegisterSlice(configure.o.payload.shape())
        connect(m, configure.o, configured.i)
        connect(m, configured.o, cim.i_config)
        m.submodules.entry = entry = RegisterSlice(self.i_weights.payload.shape())
        connect(m, flipped(self.i_weights), entry.i)
        m.d.comb += [
            configure.run.eq(self.run),
            configure.i.valid.eq(self.i_items.valid),
            configure.i.payload.eq(self.i_items.payload),
            self.i_items.ready.eq(configure.i.ready),
        ]

        weights = entry.o.payload
        room = Signal()
        taken = entry.o.valid & entry.o.ready
        m.d.comb += [
            room.eq(order.w_rdy | ~weights.last),
            order.w_en.eq(taken & weights.last),
            order.w_data.eq(weights.short),
        ]
        for engine, mine in ((cim, ~weights.short), (array, weights.short)):
            port = engine.i_weights
            m.d.comb += port.valid.eq(entry.o.valid & mine & room)
            for name in port.payload.shape().members:
                m.d.comb += port.payload[name].eq(weights[name])
            with m.If(mine):
                m.d.comb += entry.o.ready.eq(port.ready & room)

        # Engine of the current K loops, and number of K loops whose results have not all left.
        using, open_loops = Signal(), Signal(8)
        # Of the number: none, and no more fit. Kept with it, as they are before every handshake.
        none, most = Signal(init=1), Signal()
        beats = spec.tokens * spec.rows // spec.vector_lanes
        short = spec.tokens * spec.dynamic_rows // spec.vector_lanes
        left = Signal(range(max(2, beats)))
        may = Signal()
        acts = self.i_acts.payload
        begun = Signal()
        m.d.comb += [
            may.eq(order.r_rdy & (begun | none | (using == order.r_data)) & ~most),
            order.r_en.eq(self.i_acts.valid & self.i_acts.ready & acts.last & acts.release),
        ]
        entered, out = Signal(), Signal()
        m.d.comb += entered.eq(self.i_acts.valid & self.i_acts.ready & acts.last)
        with m.If(self.i_acts.valid & self.i_acts.ready):
            m.d.sync += [using.eq(order.r_data), begun.eq(~acts.last)]
        for engine, mine in ((cim, ~order.r_data), (array, order.r_data)):
            port = engine.i_acts
            m.d.comb += [
                port.valid.eq(self.i_acts.valid & may & mine),
                port.payload.eq(acts),
            ]
            with m.If(may & mine):
                m.d.comb += self.i_acts.ready.eq(port.ready)
        for engine, mine, count in ((cim, ~using, beats), (array, using, short)):
            port = engine.o_accs
            with m.If(mine):
                m.d.comb += [
                    self.o_accs.valid.eq(port.valid),
                    self.o_accs.payload.eq(port.payload),
                    port.ready.eq(self.o_accs.ready),
                ]
                with m.If(port.valid & self.o_accs.ready):
                    m.d.comb += out.eq(left == count - 1)
                    m.d.sync += left.eq(left + 1)
        with m.If(out):
            m.d.sync += left.eq(0)
        m.d.sync += open_loops.eq(open_loops + entered - out)
        with m.If(entered != out):
            m.d.sync += [
                none.eq(out & (open_loops == 1)),
                most.eq(entered & (open_loops == (1 << len(open_loops)) - 2)),
            ]
        return m
