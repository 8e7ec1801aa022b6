"""Program fetch: reads header and descriptors from window 0, one after the other."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.axi.burst import BurstSplitter
from hdl.axi.signature import BurstReadSignature
from hdl.axi.window_check import WindowCheck, window_layout
from hdl.descriptors import struct
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.layout import DESCRIPTOR_BYTES, HEADER, MAGIC, PROGRAM_HEADER, VERSION, width
from models.program.registers import ErrorCode


class ProgramFetch(Component):
    """Stream of raw descriptors; the next one is fetched while the current one waits.

    Attributes
    ----------
    start : in
        Begin with the program header at ``offset`` of window 0.
    stop : in
        Issue no further read: the machine has halted.
    error : out
        ``BAD_MAGIC``, ``BAD_VERSION``, ``BAD_FINGERPRINT``, ``WINDOW_BOUNDS`` or ``BUS_READ``.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "start": In(1),
                "stop": In(1),
                "offset": In(32),
                "windows": In(window_layout()),
                "memory": Out(BurstReadSignature(spec.axi_width)),
                "o": Out(stream.Signature(8 * DESCRIPTOR_BYTES)),
                "error": Out(4),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        beats = DESCRIPTOR_BYTES // spec.axi_bytes
        m.submodules.splitter = splitter = BurstSplitter(spec.axi_width)
        m.submodules.check = check = WindowCheck(spec.axi_bytes)
        raw = Signal(8 * DESCRIPTOR_BYTES, reset_less=True)
        held = Signal(8 * DESCRIPTOR_BYTES, reset_less=True)
        have = Signal()
        count = Signal(range(beats + 1))
        at = Signal(32)
        checked = Signal(check.LATENCY)  # the check is of `at`
        header = data.View(struct(PROGRAM_HEADER), raw[: width(PROGRAM_HEADER)])
        unit = data.View(struct(HEADER), raw[: width(HEADER)]).unit
        m.d.comb += [
            check.windows.eq(self.windows),
            check.offset.eq(at),
            check.length.eq(DESCRIPTOR_BYTES),
            splitter.i.payload.address.eq(check.address),
            splitter.i.payload.beats.eq(beats),
            self.memory.burst.valid.eq(splitter.o.valid),
            self.memory.burst.payload.eq(splitter.o.payload),
            splitter.o.ready.eq(self.memory.burst.ready),
            self.o.valid.eq(have),
            self.o.payload.eq(held),
        ]
        with m.If(self.memory.valid):
            m.d.sync += [raw.eq(Cat(raw, self.memory.data)[spec.axi_width :]), count.eq(count + 1)]
            with m.If(self.memory.error):
                m.d.sync += self.error.eq(ErrorCode.BUS_READ)
        with m.If(self.o.ready):
            m.d.sync += have.eq(0)
        is_header = Signal()
        m.d.sync += checked.eq(Cat(1, checked))
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [at.eq(self.offset), is_header.eq(1), checked.eq(0)]
                    m.next = "ASK"
            with m.State("ASK"):
                with m.If(self.stop):
                    m.next = "IDLE"
                with m.Elif(checked[-1]):
                    with m.If(check.fits):
                        # All bursts of the last descriptor have gone: the splitter is ready. The
                        # next one is checked meanwhile.
                        m.d.comb += splitter.i.valid.eq(1)
                        m.d.sync += [count.eq(0), at.eq(at + DESCRIPTOR_BYTES), checked.eq(0)]
                        m.next = "TAKE"
                    with m.Else():
                        m.d.sync += self.error.eq(ErrorCode.WINDOW_BOUNDS)
                        m.next = "IDLE"
            with m.State("TAKE"):
                with m.If(count == beats):
                    with m.If(is_header):
                        m.d.sync += is_header.eq(0)
                        m.next = "ASK"
                        with m.If(header.magic != MAGIC):
                            m.d.sync += self.error.eq(ErrorCode.BAD_MAGIC)
                            m.next = "IDLE"
                        with m.Elif(header.version != VERSION):
                            m.d.sync += self.error.eq(ErrorCode.BAD_VERSION)
                            m.next = "IDLE"
                        with m.Elif(header.fingerprint != spec.fingerprint):
                            m.d.sync += self.error.eq(ErrorCode.BAD_FINGERPRINT)
                            m.next = "IDLE"
                    # Not in the cycle in which one is taken: that flag comes from the queues.
                    with m.Elif(~have):
                        m.d.sync += [held.eq(raw), have.eq(1)]
                        # Stop at END: the bytes after it may lie outside the window.
                        with m.If(unit == Unit.END):
                            m.next = "IDLE"
                        with m.Else():
                            m.next = "ASK"
        return m
