"""Control registers behind AXI4-Lite: start, status, errors, interrupt, counters, windows."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from hdl.axi.signature import AxiLiteSignature
from hdl.axi.window_check import WINDOWS, window_layout
from hdl.control.reset_tree import ResetTree
from models.machine.spec import MachineSpec
from models.machine.units import UNITS
from models.program.layout import MAGIC, VERSION
from models.program.registers import (
    CONTROL_START,
    CONTROL_STOP,
    CONTROL_UNIT,
    WATCHDOG_DEFAULT,
    ErrorCode,
    Register,
    busy_register,
    stall_register,
    window_register,
)


class ControlRegisters(Component):
    """Register map of :mod:`models.program.registers`; bytes without a strobe are not written.

    Latency one cycle from request to response, throughput one read and one write per cycle.

    Attributes
    ----------
    start, begin : out
        Registered, high for one cycle: everything but this component is to be reset; then, once
        it is (:class:`~hdl.control.reset_tree.ResetTree`), the run begins.
    halt : out
        The run has failed, or what is left of the last one is not reset yet: units begin no
        further work.
    running : out
        A run is in progress.
    finished, quiet : in
        The program is done; no bus transfer is outstanding.
    active, stall : in
        One bit per unit: it has a descriptor; it cannot go on with it.
    unit_errors : in
        Error code of each unit, then of the control part (index ``CONTROL_UNIT``).
    tags : in
        Tag of each unit's descriptor.
    program, run : out
        Byte offset of the program; number of the run, which seeds the noise of a macro.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "bus": Out(AxiLiteSignature()),
                "interrupt": Out(1),
                "start": Out(1),
                "begin": Out(1),
                "halt": Out(1),
                "running": Out(1),
                "finished": In(1),
                "quiet": In(1),
                "active": In(UNITS),
                "stall": In(UNITS),
                "unit_errors": In(data.ArrayLayout(4, UNITS + 1)),
                "tags": In(data.ArrayLayout(16, UNITS)),
                "program": Out(32),
                "run": Out(32),
                "windows": Out(window_layout()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus = self.bus
        status_done, status_error = Signal(), Signal()
        error = Signal(32)
        enable, pending = Signal(), Signal()
        watchdog = Signal(32, init=WATCHDOG_DEFAULT)
        idle_cycles = Signal(32)
        cycles = Signal(64)
        busy = [Signal(32, name=f"busy{u}") for u in range(UNITS)]
        stall = [Signal(32, name=f"stall{u}") for u in range(UNITS)]

        writes = self._write_channel(m)
        values: dict[int, object] = {
            Register.ID: Const(MAGIC, 32),
            Register.VERSION: Const(VERSION, 32),
            Register.FINGERPRINT: Const(self.spec.fingerprint, 32),
            Register.STATUS: Cat(self.running, status_done, status_error),
            Register.ERROR: error,
            Register.INTERRUPT_ENABLE: enable,
            Register.PROGRAM: self.program,
            Register.WATCHDOG: watchdog,
            Register.CYCLES_LOW: cycles[:32],
            Register.CYCLES_HIGH: cycles[32:],
        }
        for unit in range(UNITS):
            values[busy_register(unit)] = busy[unit]
            values[stall_register(unit)] = stall[unit]
        settable: dict[int, Any] = {
            Register.INTERRUPT_ENABLE: enable,
            Register.PROGRAM: self.program,
            Register.WATCHDOG: watchdog,
        }
        if self.spec.macro is not None:
            values[Register.RUN] = settable[Register.RUN] = self.run
        for window in range(WINDOWS):
            entry = self.windows[window]
            for offset, field in ((0, entry.base), (4, entry.size)):
                values[window_register(window) + offset] = field
                settable[window_register(window) + offset] = field
        self._read_channel(m, values)
        for address, register in settable.items():
            with m.If(writes & (bus.awaddr == address) & ~self.running):
                for byte, strobe in enumerate(bus.wstrb[: -(-len(register) // 8)]):
                    with m.If(strobe):
                        low = 8 * byte
                        m.d.sync += register[low : low + 8].eq(bus.wdata[low:])
        with m.If(writes & (bus.awaddr == Register.INTERRUPT_CLEAR) & bus.wstrb.any()):
            m.d.sync += pending.eq(0)

        asked, settled, stopped, told = Signal(), Signal(), Signal(), Signal()
        command = Mux(writes & (bus.awaddr == Register.CONTROL) & bus.wstrb[0], bus.wdata, 0)
        steps = Signal(ResetTree.LATENCY)
        over = Signal()
        m.d.sync += [
            steps.eq(Cat(asked, steps)),
            self.begin.eq(steps[-1]),
            self.halt.eq(status_error | asked | ~steps[-1] & steps.any()),
        ]
        m.d.comb += [
            asked.eq(((command & CONTROL_START) != 0) & ~self.running),
            self.start.eq(steps[0]),
            self.interrupt.eq(pending & enable),
        ]
        with m.If(((command & CONTROL_STOP) != 0) & self.running):
            m.d.sync += stopped.eq(1)
        # Until everything is reset the inputs are of the last run.
        with m.If(steps[-1]):
            m.d.sync += settled.eq(1)
        # Registered, as they come from deep within the units.
        failures = Signal(self.unit_errors.shape())
        tags = Signal(self.tags.shape(), reset_less=True)
        active, waits = Signal(UNITS), Signal(UNITS)
        moves, stuck, watched = Signal(), Signal(), Signal()
        failed, fails = Signal(UNITS + 1), Signal()  # `fails`: any of them
        m.d.sync += [
            active.eq(Mux(settled, self.active, 0)),
            waits.eq(self.active & self.stall),
            moves.eq((active & ~waits).any()),
            watched.eq(watchdog != 0),
            stuck.eq(watched & (idle_cycles >= watchdog)),
        ]
        m.d.sync += [
            tags.eq(self.tags),
            failures.eq(self.unit_errors),
            over.eq(settled & self.finished & self.quiet),
            *(failed[unit].eq(settled & self.unit_errors[unit].any()) for unit in range(UNITS + 1)),
            fails.eq(settled & self.unit_errors.as_value().any()),
        ]
        with m.If(self.running):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(settled):
            for unit in range(UNITS):
                m.d.sync += [
                    busy[unit].eq(busy[unit] + active[unit]),
                    stall[unit].eq(stall[unit] + (active[unit] & waits[unit])),
                ]
            with m.If(moves & ~status_error):
                m.d.sync += idle_cycles.eq(0)
            with m.Else():
                m.d.sync += idle_cycles.eq(idle_cycles + 1)
            with m.If(status_error):
                # What began in the cycle of the error is seen on the bus once all have halted.
                with m.If(self.quiet & self.halt):
                    m.d.sync += [self.running.eq(0), settled.eq(0), pending.eq(1)]
                with m.Elif(stuck & ~told):
                    # The bus may never answer: interrupt the host, once, although it is not quiet.
                    m.d.sync += [pending.eq(1), told.eq(1)]
            with m.Elif(fails | stuck | stopped):
                m.d.sync += [status_error.eq(1), idle_cycles.eq(0), stuck.eq(0)]
                code = Mux(stuck, ErrorCode.WATCHDOG, ErrorCode.STOPPED)
                m.d.sync += error.eq(code | CONTROL_UNIT << 8)
                for unit in reversed(range(UNITS + 1)):
                    tag = tags[unit] if unit < UNITS else 0
                    with m.If(failed[unit]):
                        m.d.sync += error.eq(Cat(failures[unit], Const(0, 4), Const(unit, 8), tag))
            with m.Elif(over):
                m.d.sync += [self.running.eq(0), settled.eq(0)]
                m.d.sync += [status_done.eq(1), pending.eq(1)]
                if self.spec.macro is not None:
                    # Each run has fresh noise, even if the host never writes RUN.
                    m.d.sync += self.run.eq(self.run + 1)
        with m.If(asked):
            m.d.sync += [
                self.running.eq(1),
                status_done.eq(0),
                status_error.eq(0),
                stopped.eq(0),
                told.eq(0),
            ]
        # A cycle later: these are many.
        with m.If(self.start):
            m.d.sync += [
                error.eq(0),
                cycles.eq(1),
                idle_cycles.eq(0),
                stuck.eq(0),
                *(counter.eq(0) for counter in (*busy, *stall)),
            ]
        return m

    def _write_channel(self, m: Module) -> Signal:
        """Accept address and data together; return the strobe in which a write takes effect."""
        bus = self.bus
        writes = Signal()
        m.d.comb += [
            writes.eq(bus.awvalid & bus.wvalid & (~bus.bvalid | bus.bready)),
            bus.awready.eq(writes),
            bus.wready.eq(writes),
        ]
        with m.If(writes):
            m.d.sync += bus.bvalid.eq(1)
        with m.Elif(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        return writes

    def _read_channel(self, m: Module, values: dict[int, object]) -> None:
        bus = self.bus
        reads = Signal()
        m.d.comb += [
            reads.eq(bus.arvalid & (~bus.rvalid | bus.rready)),
            bus.arready.eq(reads),
        ]
        with m.If(reads):
            m.d.sync += [bus.rvalid.eq(1), bus.rdata.eq(0)]
            for address, value in values.items():
                with m.If(bus.araddr == address):
                    m.d.sync += bus.rdata.eq(value)
        with m.Elif(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
