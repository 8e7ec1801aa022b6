"""Program fetch: reads header and descriptors from window 0."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.axi.burst import BurstSplitter
from hdl.axi.signature import BurstReadSignature
from hdl.axi.window_check import WindowCheck, window_layout
from hdl.descriptors import struct
from hdl.memory.credit_queue import CreditQueue
from models.cost.pipelines import FETCHES_AHEAD
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.layout import DESCRIPTOR_BYTES, HEADER, MAGIC, PROGRAM_HEADER, VERSION, width
from models.program.registers import ErrorCode


class ProgramFetch(Component):
    """Stream of raw descriptors; the next ones are fetched while the current one waits.

    Up to :data:`FETCHES_AHEAD` descriptors are under way or wait in the buffer. What is behind
    ``END`` may be read, as far as window 0 goes; no error of it is told.

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
        beat = data.StructLayout({"data": spec.axi_width, "error": 1})
        m.submodules.buffer = buffer = CreditQueue(beat, FETCHES_AHEAD * beats)
        raw = Signal(8 * DESCRIPTOR_BYTES, reset_less=True)
        held = Signal(8 * DESCRIPTOR_BYTES, reset_less=True)
        have = Signal()
        count = Signal(range(beats + 1))
        whole, wrong = Signal(), Signal()  # `raw` is a descriptor; one of its beats has an error
        going = Signal()
        takes, last = Signal(), Signal()
        header = data.View(struct(PROGRAM_HEADER), raw[: width(PROGRAM_HEADER)])
        unit = data.View(struct(HEADER), raw[: width(HEADER)]).unit
        none_comes = self._ask(m, going=going, came=last)
        m.d.comb += [
            buffer.i.valid.eq(self.memory.valid),
            buffer.i.payload.data.eq(self.memory.data),
            buffer.i.payload.error.eq(self.memory.error),
            # What comes behind the end of a run is dropped.
            buffer.o.ready.eq(~whole),
            takes.eq(buffer.o.valid & ~whole),
            last.eq(takes & (count == beats - 1)),
            self.o.valid.eq(have),
            self.o.payload.eq(held),
        ]
        with m.If(takes):
            m.d.sync += [
                raw.eq(Cat(raw, buffer.o.payload.data)[spec.axi_width :]),
                wrong.eq(wrong | buffer.o.payload.error),
                count.eq(count + 1),
            ]
        with m.If(last):
            m.d.sync += [count.eq(0), whole.eq(going)]
        with m.If(self.o.ready):
            m.d.sync += have.eq(0)
        is_header = Signal()
        with m.If(self.start):
            m.d.sync += [going.eq(1), is_header.eq(1)]
        with m.If(going):
            with m.If(whole & wrong):
                m.d.sync += [self.error.eq(ErrorCode.BUS_READ), going.eq(0), whole.eq(0)]
            with m.Elif(whole & is_header):
                m.d.sync += [is_header.eq(0), whole.eq(0)]
                with m.If(header.magic != MAGIC):
                    m.d.sync += [self.error.eq(ErrorCode.BAD_MAGIC), going.eq(0)]
                with m.Elif(header.version != VERSION):
                    m.d.sync += [self.error.eq(ErrorCode.BAD_VERSION), going.eq(0)]
                with m.Elif(header.fingerprint != spec.fingerprint):
                    m.d.sync += [self.error.eq(ErrorCode.BAD_FINGERPRINT), going.eq(0)]
            # Not in the cycle in which one is taken: that flag comes from the queues.
            with m.Elif(whole & ~have):
                m.d.sync += [held.eq(raw), have.eq(1), whole.eq(0)]
                # Stop at END: the bytes after it may lie outside the window.
                with m.If(unit == Unit.END):
                    m.d.sync += going.eq(0)
            with m.Elif(~whole & none_comes):
                m.d.sync += [self.error.eq(ErrorCode.WINDOW_BOUNDS), going.eq(0)]
        return m

    def _ask(self, m: Module, *, going: Signal, came: Signal) -> Value:
        """Ask for one descriptor after the other, as far as window and buffer have room.

        ``came`` tells that the last beat of one has left the buffer. Returns whether the next one
        lies beyond the window and all before it have come.
        """
        spec = self.spec
        m.submodules.splitter = splitter = BurstSplitter(spec.axi_width)
        m.submodules.check = check = WindowCheck(spec.axi_bytes)
        at = Signal(32)
        checked = Signal(check.LATENCY)  # the check is of `at`
        asking, beyond, asked = Signal(), Signal(), Signal()
        coming = Signal(range(FETCHES_AHEAD + 1))
        m.d.comb += [
            check.windows.eq(self.windows),
            check.offset.eq(at),
            check.length.eq(DESCRIPTOR_BYTES),
            splitter.i.payload.address.eq(check.address),
            splitter.i.payload.beats.eq(DESCRIPTOR_BYTES // spec.axi_bytes),
            splitter.i.valid.eq(asking & checked[-1] & check.fits & (coming != FETCHES_AHEAD)),
            asked.eq(splitter.i.valid & splitter.i.ready),
            self.memory.burst.valid.eq(splitter.o.valid),
            self.memory.burst.payload.eq(splitter.o.payload),
            splitter.o.ready.eq(self.memory.burst.ready),
        ]
        m.d.sync += [checked.eq(Cat(1, checked)), coming.eq(coming + asked - came)]
        with m.If(asked):
            m.d.sync += [at.eq(at + DESCRIPTOR_BYTES), checked.eq(0)]
        with m.If(self.start):
            m.d.sync += [at.eq(self.offset), asking.eq(1), checked.eq(0)]
        with m.Elif(self.stop | ~going):
            m.d.sync += asking.eq(0)
        with m.Elif(asking & checked[-1] & ~check.fits):
            m.d.sync += [asking.eq(0), beyond.eq(1)]
        return beyond & (coming == 0)
