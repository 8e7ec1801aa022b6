"""Store unit: writes scratchpad words to memory."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hdl.axi.burst import BurstSplitter
from hdl.axi.signature import AxiWriteSignature
from hdl.axi.window_check import WindowCheck, window_layout
from hdl.descriptors import UnitSignature
from hdl.memory.scratchpad import ReadPort, ScratchpadReader
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.registers import ErrorCode

META = data.StructLayout({"unused": 1})


class StoreUnit(Component):
    """Writes scratchpad words as bursts; a burst begins once all its beats are buffered.

    Throughput one bus beat per cycle within a burst; done when every write has its response. The
    next descriptor is taken while the last responses of the one before are still to come.

    Attributes
    ----------
    halt : in
        Begin no further burst.
    idle : out
        No burst is outstanding.
    """

    BUFFER = 32

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "unit": Out(UnitSignature(Unit.STORE)),
                "windows": In(window_layout()),
                "port": Out(ReadPort(spec)),
                "axi": Out(AxiWriteSignature(spec.axi_width)),
                "halt": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.reader = reader = ScratchpadReader(spec, META)
        m.submodules.splitter = splitter = BurstSplitter(spec.axi_width)
        m.submodules.buffer = buffer = SyncFIFO(width=spec.axi_width, depth=self.BUFFER)
        connect(m, reader.port, flipped(self.port))
        m.submodules.check = check = WindowCheck(spec.axi_bytes)
        d = Signal(self.unit.descriptor.payload.shape(), reset_less=True)
        p = self.unit.descriptor.payload
        busy, begin = Signal(), Signal()
        refused, answers = Signal(), Signal()
        steps = Signal(1 + check.LATENCY)
        m.d.comb += [
            begin.eq(self.unit.descriptor.valid & self.unit.descriptor.ready),
            self.unit.descriptor.ready.eq(~busy & ~refused),
        ]
        asking = Signal()
        address = Signal(d.address.shape(), reset_less=True)
        left = Signal(d.words.shape(), reset_less=True)  # words to ask for
        with m.If(begin):
            m.d.sync += [d.eq(p), busy.eq(1), address.eq(p.address), left.eq(p.words)]

        m.d.sync += steps.eq(Cat(begin, steps))
        m.d.comb += [
            check.windows.eq(self.windows),
            check.window.eq(d.window),
            check.offset.eq(d.offset),
            check.length.eq(d.words * spec.word_pitch),
            # All bursts of the last run have gone: the splitter is ready.
            splitter.i.valid.eq(steps[-1] & check.fits),
            splitter.i.payload.address.eq(check.address),
            splitter.i.payload.beats.eq(d.words * spec.beats_per_word),
            reader.i.valid.eq(asking),
            reader.i.payload.address.eq(address),
        ]
        with m.If(steps[-1]):
            m.d.sync += asking.eq(check.fits)
            m.d.sync += refused.eq(~check.fits)
        # A store before it comes first.
        with m.If(refused & ~answers):
            m.d.sync += self.unit.error.eq(ErrorCode.WINDOW_BOUNDS)
        with m.If(asking & reader.i.ready):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1), asking.eq(left != 1)]

        beat = Signal(range(max(2, spec.beats_per_word)))
        last_beat = beat == spec.beats_per_word - 1
        padded = Cat(reader.o.payload.word, Const(0, 8 * (spec.word_pitch - spec.word_bytes)))
        m.d.comb += [
            buffer.w_en.eq(reader.o.valid),
            buffer.w_data.eq(padded.word_select(beat, spec.axi_width)),
            reader.o.ready.eq(buffer.w_rdy & last_beat),
        ]
        with m.If(buffer.w_en & buffer.w_rdy):
            m.d.sync += beat.eq(Mux(last_beat, 0, beat + 1))
        self._write(m, splitter, buffer, busy=busy, begin=begin, answers=answers)
        return m

    def _write(
        self,
        m: Module,
        splitter: BurstSplitter,
        buffer: SyncFIFO,
        *,
        busy: Signal,
        begin: Signal,
        answers: Signal,
    ) -> None:
        """Send bursts; ``answers``: a store has sent all of its own and waits for responses."""
        spec, axi = self.spec, self.axi
        sending = Signal()
        left = Signal(5)
        waiting = Signal(8)  # bursts without a response so far
        whole = Signal()  # every burst of the descriptor has begun
        place = Signal(range(max(2, spec.beats_per_word)))
        strobes = Const((1 << spec.word_bytes) - 1, spec.word_pitch)
        due = Signal(8)  # responses to come of the store that waits for them
        sent_all = Signal()
        go, enough = Signal(), Signal()
        sent = Signal()
        ending = sent & (left == 1)
        length = splitter.o.payload.length
        # All beats of the next burst will be buffered once this one has been sent.
        m.d.sync += enough.eq(
            splitter.o.valid
            & Mux(sending, ending & (buffer.r_level > length), buffer.r_level >= length)
        )
        m.d.comb += [
            axi.awsize.eq(spec.axi_bytes.bit_length() - 1),
            axi.awburst.eq(1),
            axi.awcache.eq(0b0011),
            axi.bready.eq(1),
            go.eq(
                splitter.o.valid & ~sending & ~axi.awvalid & ~self.halt & enough & ~waiting.all()
            ),
            splitter.o.ready.eq(go),
            axi.wvalid.eq(sending),
            axi.wdata.eq(buffer.r_data),
            axi.wstrb.eq(strobes.word_select(place, spec.axi_bytes)),
            axi.wlast.eq(left == 1),
            sent.eq(axi.wvalid & axi.wready),
            buffer.r_en.eq(sent),
            self.idle.eq(~sending & ~axi.awvalid & (waiting == 0)),
            self.unit.stall.eq((busy | answers) & ~sent),
            sent_all.eq(busy & whole & ~sending & ~answers),
            self.unit.done.eq(answers & (due == 0)),
        ]
        with m.If(axi.awready):
            m.d.sync += axi.awvalid.eq(0)
        with m.If(go):
            m.d.sync += [
                axi.awvalid.eq(1),
                axi.awaddr.eq(splitter.o.payload.address),
                axi.awlen.eq(splitter.o.payload.length - 1),
                left.eq(splitter.o.payload.length),
                sending.eq(1),
            ]
            with m.If(splitter.last):
                m.d.sync += whole.eq(1)
        with m.If(sent):
            m.d.sync += [
                left.eq(left - 1),
                place.eq(Mux(place == spec.beats_per_word - 1, 0, place + 1)),
            ]
            with m.If(left == 1):
                m.d.sync += sending.eq(0)
        answered = axi.bvalid & axi.bready
        m.d.sync += waiting.eq(waiting + go - answered)
        with m.If(answered & axi.bresp[1]):
            m.d.sync += self.unit.error.eq(ErrorCode.BUS_WRITE)
        with m.If(sent_all):
            m.d.sync += [busy.eq(0), answers.eq(1), due.eq(waiting - answered)]
        with m.Elif(answers):
            m.d.sync += due.eq(due - answered)
        with m.If(self.unit.done):
            m.d.sync += answers.eq(0)
        with m.If(begin):
            m.d.sync += [whole.eq(0), place.eq(0)]
