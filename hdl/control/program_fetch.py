"""Program fetch: reads header and descriptors from window 0, one after the other."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.axi.burst import BurstSplitter
from hdl.axi.signature import BurstReadSignature
from hdl.descriptors import struct
from hdl.units.load_unit import window_holds, window_layout
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
        raw = Signal(8 * DESCRIPTOR_BYTES)
        held = Signal(8 * DESCRIPTOR_BYTES)
        have = Signal()
        count = Signal(range(beats + 1))
        at = Signal(32)
        window = self.windows[0]
        fits = Signal()
        end = Signal(33)
        header = data.View(struct(PROGRAM_HEADER), raw[: width(PROGRAM_HEADER)])
        unit = data.View(struct(HEADER), raw[: width(HEADER)]).unit
        m.d.comb += [
            end.eq(at + DESCRIPTOR_BYTES),
            fits.eq(window_holds(window, at, end, spec.axi_bytes.bit_length() - 1)),
            splitter.i.payload.address.eq(window.base + at),
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
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [at.eq(self.offset), is_header.eq(1)]
                    m.next = "ASK"
            with m.State("ASK"):
                with m.If(self.stop):
                    m.next = "IDLE"
                with m.Elif(~fits):
                    m.d.sync += self.error.eq(ErrorCode.WINDOW_BOUNDS)
                    m.next = "IDLE"
                with m.Else():
                    m.d.comb += splitter.i.valid.eq(1)
                    m.d.sync += count.eq(0)
                    with m.If(splitter.i.ready):
                        m.next = "TAKE"
            with m.State("TAKE"):
                with m.If(count == beats):
                    with m.If(is_header):
                        m.d.sync += [is_header.eq(0), at.eq(at + DESCRIPTOR_BYTES)]
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
                    with m.Elif(~have | self.o.ready):
                        m.d.sync += [
                            held.eq(raw),
                            have.eq(1),
                            at.eq(at + DESCRIPTOR_BYTES),
                        ]
                        # Stop at END: the bytes after it may lie outside the window.
                        with m.If(unit == Unit.END):
                            m.next = "IDLE"
                        with m.Else():
                            m.next = "ASK"
        return m
