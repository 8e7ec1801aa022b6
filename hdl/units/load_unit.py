"""Load unit: reads memory into the scratchpad, the weight stream, parameters and tables."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from hdl.axi.burst import BurstSplitter
from hdl.axi.signature import BURST_BEATS, BurstReadSignature
from hdl.axi.window_check import WindowCheck, window_layout
from hdl.descriptors import UnitSignature
from hdl.memory.credit_queue import CreditQueue
from hdl.memory.register_slice import register_between
from hdl.memory.scratchpad import WritePort, beyond
from models.cost.pipelines import LOAD_BEATS, LOADS_AT_ONCE
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.engine_items import ITEM_BYTES
from models.program.layout import PARAM_BYTES, ROW_ENTRIES, SUM_BITS, TABLE_ENTRIES, LoadTarget
from models.program.registers import ErrorCode


class ParamWrite(data.StructLayout):
    """Write port of the parameter memory: one channel."""

    def __init__(self, spec: MachineSpec) -> None:
        super().__init__(
            {
                "enable": 1,
                "entry": max(1, (spec.param_entries - 1).bit_length()),
                "lane": max(1, (spec.vector_lanes - 1).bit_length()),
                "value": 72,
            }
        )


class OrderWrite(data.StructLayout):
    """Write port of the row order: one entry, in the format of memory."""

    def __init__(self, spec: MachineSpec) -> None:
        super().__init__(
            {
                "enable": 1,
                "entry": max(1, (spec.param_entries - 1).bit_length()),
                "value": 8 * spec.word_bytes,
            }
        )


TABLE_WRITE = data.StructLayout(
    {"function": 1, "row": 1, "entry": (TABLE_ENTRIES - 1).bit_length(), "value": 16}
)
"""Write port of the two tables: an enable for each, entry number and value."""


def _items(spec: MachineSpec) -> dict[str, object]:
    """Members of the stream to the macro, if the machine has one."""
    if spec.macro is None:
        return {}
    return {"o_items": Out(stream.Signature(8 * ITEM_BYTES))}


class LoadUnit(Component):
    """Prefetches bursts as far as its buffer of bus beats allows and writes them to the target.

    Throughput one bus beat per cycle (tables: one 16-bit entry per cycle); latency is the
    memory's plus nine cycles (two each to check the window and to split the run). A descriptor is
    taken as soon as all bursts of the one before are on their way; it is done in its turn, when
    its own data have been written.

    Errors, each told when all earlier descriptors are done: ``WINDOW_BOUNDS``, and nothing of that
    descriptor is read; ``BUS_READ`` for an error response; ``ENTRY_BOUNDS`` past the end of
    parameters or tables.
    """

    BUFFER = LOAD_BEATS

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "unit": Out(UnitSignature(Unit.LOAD)),
                "windows": In(window_layout()),
                "memory": Out(BurstReadSignature(spec.axi_width)),
                "port": Out(WritePort(spec)),
                "o_words": Out(stream.Signature(8 * spec.word_bytes)),
                **_items(spec),
                "params": Out(ParamWrite(spec)),
                "order": Out(OrderWrite(spec)),
                "tables": Out(TABLE_WRITE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.splitter = splitter = BurstSplitter(spec.axi_width)
        beat = data.StructLayout({"data": spec.axi_width, "error": 1})
        m.submodules.buffer = buffer = CreditQueue(beat, self.BUFFER)
        m.submodules.check = check = WindowCheck(spec.axi_bytes)
        p = self.unit.descriptor.payload
        asks = data.StructLayout({n: p.shape().members[n] for n in ("window", "offset", "beats")})
        lands = data.StructLayout({n: p.shape().members[n] for n in ("target", "address", "beats")})
        d = Signal(asks, reset_less=True)
        m.submodules.landing = landing = SyncFIFO(width=lands.size, depth=LOADS_AT_ONCE)
        land = data.View(lands, landing.r_data)
        begin, asking, refused = Signal(), Signal(), Signal()
        steps = Signal(1 + check.LATENCY)
        asked_all = Signal()
        m.d.comb += [
            begin.eq(self.unit.descriptor.valid & self.unit.descriptor.ready),
            self.unit.descriptor.ready.eq(~asking & ~refused & landing.w_rdy),
            landing.w_en.eq(begin),
            landing.w_data.eq(Cat(p[n] for n in lands.members)),
        ]
        with m.If(begin):
            m.d.sync += [asking.eq(1), *(d[n].eq(p[n]) for n in asks.members)]
        with m.If(asked_all):
            m.d.sync += [asking.eq(0), refused.eq(~check.fits)]

        lane = (spec.axi_bytes).bit_length() - 1
        # The last step waits until all bursts of the run before have gone.
        m.d.sync += steps.eq(Cat(begin, steps[:-2], (steps[-2] | steps[-1]) & ~asked_all))
        m.d.comb += [
            asked_all.eq(steps[-1] & (splitter.i.ready | ~check.fits)),
            check.windows.eq(self.windows),
            check.window.eq(d.window),
            check.offset.eq(d.offset),
            check.length.eq(d.beats << lane),
            splitter.i.valid.eq(steps[-1] & check.fits),
            splitter.i.payload.address.eq(check.address),
            splitter.i.payload.beats.eq(d.beats),
        ]

        # Request only beats that the buffer has room for: read beats have no back-pressure.
        room = Signal(range(self.BUFFER + 1), init=self.BUFFER)
        asked = Signal()
        taken, freed = Signal(), Signal()
        # One cycle late, which is in time: the splitter's next burst comes no sooner.
        roomy = Signal()
        m.d.sync += [roomy.eq(room >= BURST_BEATS), freed.eq(taken)]
        m.d.comb += [
            self.memory.burst.valid.eq(splitter.o.valid & roomy),
            self.memory.burst.payload.eq(splitter.o.payload),
            splitter.o.ready.eq(self.memory.burst.ready & roomy),
            asked.eq(self.memory.burst.valid & self.memory.burst.ready),
            buffer.i.valid.eq(self.memory.valid),
            buffer.i.payload.data.eq(self.memory.data),
            buffer.i.payload.error.eq(self.memory.error),
        ]
        m.d.sync += room.eq(room - Mux(asked, splitter.o.payload.length, 0) + freed)
        busy, next_one = Signal(), Signal()
        m.d.comb += [next_one.eq(landing.r_rdy & ~busy), landing.r_en.eq(next_one)]
        with m.If(next_one):
            m.d.sync += busy.eq(1)
        with m.If(self.unit.done):
            m.d.sync += busy.eq(0)
        # Registered: the bounds of entries, which come later, are comparators before the same code.
        faulty, outside = Signal(), Signal()
        m.d.sync += [
            faulty.eq(taken & buffer.o.payload.error),
            # A descriptor that is refused is the last one that was taken.
            outside.eq(refused & busy & ~landing.r_rdy),
        ]
        with m.If(faulty):
            m.d.sync += self.unit.error.eq(ErrorCode.BUS_READ)
        with m.If(outside):
            m.d.sync += self.unit.error.eq(ErrorCode.WINDOW_BOUNDS)
        self._collect(m, buffer, land, begin=next_one, busy=busy, taken=taken)
        return m

    def _collect(
        self,
        m: Module,
        buffer: CreditQueue,
        d: data.View,
        *,
        begin: Signal,
        busy: Signal,
        taken: Signal,
    ) -> None:
        """Gather beats into the target's items and write them; ``begin`` takes descriptor ``d``."""
        spec = self.spec
        per_param = max(1, PARAM_BYTES // spec.axi_bytes)
        most = max(spec.beats_per_word, per_param)
        item = Signal(most * spec.axi_width, reset_less=True)
        beat = Signal(range(max(2, most)))
        have = Signal()
        left = Signal(d.beats.shape(), reset_less=True)
        whole = Signal()  # no beat is left
        per_beat = spec.axi_bytes // 2
        entry = Signal(range(max(2, per_beat)))
        address = Signal(len(d.address) + 1)
        lane = Signal(range(max(2, spec.vector_lanes)))
        going = Signal()  # an item that is there leaves
        sent = Signal()
        # The port's readiness depends on other writers.
        write = {"address": SUM_BITS, "over": 1, "data": 8 * spec.word_bytes}
        m.submodules.writes = writes = register_between(
            data.StructLayout(write), spec.beats_per_word
        )

        # Decoded once a descriptor.
        targets = Signal(len(LoadTarget))
        to_tables = Signal()
        here = Signal()  # the item leaves in this cycle, whoever else is ready
        target = d.target
        tables = (LoadTarget.FUNCTION_TABLE, LoadTarget.ROW_TABLE)
        at_once = (LoadTarget.PARAMS, LoadTarget.ORDER)
        with m.If(begin):
            m.d.sync += [
                targets.eq(Cat(target == t for t in LoadTarget)),
                to_tables.eq(Cat(target == t for t in tables).any()),
                here.eq(Cat(target == t for t in at_once + tables * (per_beat == 1)).any()),
            ]
        to_scratchpad = targets[LoadTarget.SCRATCHPAD]
        to_weights = targets[LoadTarget.WEIGHTS]
        to_params = targets[LoadTarget.PARAMS]
        to_order = targets[LoadTarget.ORDER]
        to_engine = Const(0)
        engine_ready = Const(0)
        if spec.macro is not None:
            to_engine, engine_ready = targets[LoadTarget.ENGINE], self.o_items.ready
        size = Mux(to_params | to_engine, per_param, Mux(to_tables, 1, spec.beats_per_word))
        m.d.comb += [
            going.eq(
                here
                | (to_scratchpad & writes.i.ready)
                | (to_weights & self.o_words.ready)
                | (to_engine & engine_ready)
            ),
            taken.eq(busy & ~whole & buffer.o.valid & (~have | going)),
            buffer.o.ready.eq(taken),
            writes.i.valid.eq(have & to_scratchpad),
            writes.i.payload.address.eq(address),
            writes.i.payload.over.eq(beyond(spec, address)),
            writes.i.payload.data.eq(item),
            writes.o.ready.eq(self.port.ready),
            self.port.valid.eq(writes.o.valid),
            self.port.address.eq(writes.o.payload.address),
            self.port.over.eq(writes.o.payload.over),
            self.port.data.eq(writes.o.payload.data),
            self.port.enable.eq(~0),
            self.o_words.valid.eq(have & to_weights),
            self.o_words.payload.eq(item),
            self.params.enable.eq(have & to_params),
            self.params.entry.eq(address),
            self.params.lane.eq(lane),
            self.params.value.eq(item),
            self.order.enable.eq(have & to_order),
            self.order.entry.eq(address),
            self.order.value.eq(item),
            self.tables.function.eq(have & (targets[LoadTarget.FUNCTION_TABLE])),
            self.tables.row.eq(have & (targets[LoadTarget.ROW_TABLE])),
            self.tables.entry.eq(address),
            self.tables.value.eq(item.word_select(entry, 16)),
            sent.eq(have & going),
            self.unit.stall.eq(busy & ~taken & ~(have & to_tables)),
            # A last incomplete item is dropped.
            self.unit.done.eq(
                busy & whole & Mux(to_scratchpad, ~have & ~writes.o.valid, sent | ~have)
            ),
        ]
        if spec.macro is not None:
            m.d.comb += [self.o_items.valid.eq(have & to_engine), self.o_items.payload.eq(item)]
        with m.If(sent):
            m.d.sync += have.eq(0)
        with m.If(taken):
            m.d.sync += [
                item.word_select(beat, spec.axi_width).eq(buffer.o.payload.data),
                left.eq(left - 1),
                whole.eq(left == 1),
            ]
            with m.If(beat == size - 1):
                m.d.sync += [beat.eq(0), have.eq(1)]
            with m.Else():
                m.d.sync += beat.eq(beat + 1)
        # Whether the address is past a target's end is known with it, not found out from it.
        ends = (spec.param_entries, min(TABLE_ENTRIES, ROW_ENTRIES))
        past = [Signal(name=f"past{end}") for end in ends]

        def step() -> list[Any]:
            flags = [flag.eq(address >= end - 1) for flag, end in zip(past, ends, strict=True)]
            return [address.eq(address + 1), *flags]

        with m.If(have & to_tables):
            m.d.sync += [entry.eq(Mux(here, 0, entry + 1)), *step()]
            m.d.sync += here.eq(Mux(here, per_beat == 1, entry == per_beat - 2))
        with m.If(sent & (to_scratchpad | to_order)):
            m.d.sync += step()
        with m.If(sent & to_params):
            m.d.sync += lane.eq(lane + 1)
            with m.If(lane == spec.vector_lanes - 1):
                m.d.sync += [lane.eq(0), *step()]
        for chosen, flag in zip((to_params | to_order, to_tables), past, strict=True):
            with m.If(have & chosen & flag):
                m.d.sync += self.unit.error.eq(ErrorCode.ENTRY_BOUNDS)
        with m.If(begin):
            m.d.sync += [flag.eq(d.address >= end) for flag, end in zip(past, ends, strict=True)]
            m.d.sync += [
                left.eq(d.beats),
                whole.eq(0),
                address.eq(d.address),
                have.eq(0),
                beat.eq(0),
                entry.eq(0),
                lane.eq(0),
            ]
