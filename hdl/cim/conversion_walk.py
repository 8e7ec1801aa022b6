"""Schedules the conversions of a macro: tile by tile and slice by slice, numbered."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.combine import event_layout
from hdl.cim.noise import SHARED_LATENCY
from hdl.cim.shape import MacroShape, index_bits

KEY = SHARED_LATENCY + 1
"""Cycles to compute a run's noise key."""


class Walk(Component):
    """Holds activations of two tiles and walks the older one, slice by slice, entry by entry.

    A slice takes as many cycles as its tile has beats, but at least ``adc_bits + 1``: the sum of
    one conversion is formed while the previous one is decided. With ``zero_skip`` a slice takes one
    cycle if its digits and those of all higher slices are zero. A paired macro walks each tile of
    activations twice, with the weights of two tiles. A run begins, after the last step of the
    previous run, with :data:`KEY` cycles for its noise key.

    Attributes
    ----------
    i : stream of beats
        Throughput one beat per cycle; waits while two tiles are held.
    layer, open : in
        The layer's record, valid in the cycle in which ``open`` is high.
    filled, bank, release : in, out, out
        One flag per bank: its weights are complete. Bank in use; strobe: it is not read any more.
    left : out
        Vectors of the layer still to be walked.
    at, entry, valid, first, acts : out
        To the columns (:class:`~hdl.cim.column.Column`), one cycle late; ``acts`` two cycles late.
    step, step_valid, number, new_run, run : out
        Step and number of a conversion, at the input of the noise pipeline.
    event : out
        Valid with the last entry of a slice.
    """

    def __init__(self, shape: MacroShape) -> None:
        self.shape = shape
        spec = shape.spec
        super().__init__(
            {
                "i": In(stream.Signature(shape.acts())),
                "layer": In(shape.layer()),
                "open": In(1),
                "filled": In(2),
                "bank": Out(1),
                "release": Out(1),
                "left": Out(32),
                "at": Out(shape.at_bits),
                "entry": Out(index_bits(shape.entries)),
                "valid": Out(1),
                "first": Out(1),
                "acts": Out(data.ArrayLayout(spec.dac_bits, shape.lanes)),
                "step": Out(index_bits(spec.adc_bits + 1)),
                "step_valid": Out(1),
                "number": Out(32),
                "new_run": Out(1),
                "run": Out(32),
                "event": Out(event_layout(shape)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, spec = self.shape, self.shape.spec
        slices = spec.act_slices
        entry_bits = index_bits(shape.entries)
        tile_info = data.StructLayout(
            {
                "end": entry_bits,
                "single": 1,
                "top": index_bits(slices + 1),
                "last": 1,
                "release": 1,
            }
        )
        info = [Signal(tile_info, name=f"info{i}") for i in range(2)]
        use = Signal()
        full = Signal(2)
        freed = Signal()
        words = self._fill(m, info, full, use, freed)

        e, q = Signal(entry_bits), Signal(index_bits(slices))
        tile = Signal(index_bits(shape.tiles))
        # A paired macro frees a tile of activations after the second walk only.
        parting = tile[0] if shape.paired else 1
        token, tokens, hop = Signal(32), Signal(32), Signal(32)
        base, here = Signal(32), Signal(32)
        fresh, wait = Signal(), Signal(range(KEY))
        # Flags of counters, kept with them: no comparison is before what they decide.
        at_begin, ends = Signal(init=1), Signal()
        runs, idle, last_token = Signal(), Signal(init=1), Signal()
        rem = Signal(range(spec.adc_bits + 1))
        now = Signal(tile_info)
        m.d.comb += now.eq(Mux(use, info[1], info[0]))
        able, skip, at_end, issue, closing = Signal(), Signal(), Signal(), Signal(), Signal()
        start, end_slice, end_tile, end_vector = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            able.eq(full.bit_select(use, 1) & self.filled.bit_select(self.bank, 1) & runs),
            skip.eq(q >= now.top) if spec.zero_skip else skip.eq(0),
            # The comparison is a cycle ahead, but for a tile's first entry.
            at_end.eq(Mux(at_begin, now.single, ends)),
            closing.eq(at_end | skip),
            issue.eq(able & (~at_end | skip | idle)),
            start.eq(issue & at_end & ~skip),
            end_slice.eq(issue & closing),
            end_tile.eq(end_slice & (q == slices - 1)),
            freed.eq(end_tile & parting),
            end_vector.eq(freed & now.last),
            self.release.eq(end_vector & now.release),
        ]
        # The run's key uses the hash pipeline, so it waits until no step is in it.
        m.d.comb += [
            self.new_run.eq(fresh & (wait == 0) & idle & (self.left != 0)),
            self.event.valid.eq(end_slice),
            self.event.skip.eq(skip),
            self.event.first.eq((tile == 0) & (q == 0)),
            self.event.final.eq(end_vector),
            self.event.release.eq(now.release),
            self.event.bank.eq(self.bank),
            self.event.shift.eq(q * spec.dac_bits),
        ]
        with m.If(self.new_run):
            m.d.sync += [fresh.eq(0), wait.eq(KEY - 1)]
        with m.Elif(wait != 0):
            m.d.sync += [wait.eq(wait - 1), runs.eq(wait == 1)]
        with m.If(start):
            m.d.sync += [rem.eq(spec.adc_bits), idle.eq(0)]
        with m.Elif(~idle):
            m.d.sync += [rem.eq(rem - 1), idle.eq(rem == 1)]
        number = Signal(32)
        with m.If(start):
            m.d.sync += number.eq(here + q)
        m.d.comb += [
            self.step_valid.eq(start | ~idle),
            self.step.eq(Mux(start, spec.adc_bits, rem - 1)),
            self.number.eq(Mux(start, here + q, number)),
        ]
        with m.If(issue & ~skip):
            m.d.sync += [
                e.eq(Mux(at_end, 0, e + 1)),
                at_begin.eq(at_end),
                ends.eq(e + 1 == now.end),
            ]
        with m.If(end_slice):
            m.d.sync += q.eq(Mux(end_tile, 0, q + 1))
        with m.If(end_tile):
            m.d.sync += [use.eq(use ^ freed), tile.eq(tile + 1), here.eq(here + hop)]
        with m.If(end_vector):
            following = base + slices
            m.d.sync += [
                tile.eq(0),
                self.left.eq(self.left - 1),
                token.eq(token - 1),
                last_token.eq(token == 1),
                base.eq(following),
                here.eq(following),
            ]
            with m.If(last_token | (self.left == 1)):
                m.d.sync += runs.eq(0)
            with m.If(last_token):
                first = Signal(32)
                m.d.comb += first.eq(base - hop + slices)
                m.d.sync += [
                    token.eq(tokens),
                    last_token.eq(tokens == 0),
                    base.eq(first),
                    here.eq(first),
                    self.run.eq(self.run + 1),
                    fresh.eq(1),
                ]
        if shape.banks == 2:
            m.d.sync += self.bank.eq(self.bank ^ self.release)
        with m.If(self.open):
            m.d.sync += [
                self.left.eq(self.layer.vectors),
                tokens.eq(self.layer.tokens - 1),
                hop.eq(self.layer.hop),
                base.eq(self.layer.first),
                here.eq(self.layer.first),
                self.run.eq(self.layer.run),
                token.eq(self.layer.tokens - 1),
                last_token.eq(self.layer.tokens == 1),
                fresh.eq(1),
                runs.eq(0),
            ]

        m.d.sync += [
            self.at.eq(tile if shape.banks == 1 else Cat(tile, self.bank)),
            self.entry.eq(e),
            self.valid.eq(issue & ~skip),
            self.first.eq(at_begin),
        ]
        self._slice(m, words, Cat(e, use), q)
        return m

    def _fill(
        self, m: Module, info: list[Signal], full: Signal, use: Signal, freed: Signal
    ) -> Memory:
        """Fill two tiles of activations, and record end, highest used slice and flags of each."""
        shape, spec, beat = self.shape, self.shape.spec, self.i.payload
        bits = index_bits(shape.entries)
        words = Memory(shape=spec.act_bits * shape.lanes, depth=2 << bits, init=[])
        m.submodules.acts = words
        writer = words.write_port()
        fill, place = Signal(), Signal(bits)
        seen, any_of = Signal(spec.act_bits), Signal(spec.act_bits)
        taken, complete = Signal(), Signal()
        union = seen
        for lane in range(shape.lanes):
            union = union | beat["values"][lane]
        m.d.comb += [
            any_of.eq(union),
            self.i.ready.eq(~full.bit_select(fill, 1)),
            taken.eq(self.i.valid & self.i.ready),
            complete.eq(taken & (beat.last | (place == shape.entries - 1))),
            writer.addr.eq(Cat(place, fill)),
            writer.data.eq(beat["values"].as_value()),
            writer.en.eq(taken),
        ]
        top = Signal(index_bits(spec.act_slices + 1))
        for index in range(spec.act_slices):
            with m.If(any_of[index * spec.dac_bits :] != 0):
                m.d.comb += top.eq(index + 1)
        with m.If(taken):
            m.d.sync += [
                place.eq(Mux(complete, 0, place + 1)),
                seen.eq(Mux(complete, 0, any_of)),
                fill.eq(fill ^ complete),
            ]
        for bank in range(2):
            with m.If(complete & (fill == bank)):
                m.d.sync += [
                    full[bank].eq(1),
                    info[bank].end.eq(place),
                    info[bank].single.eq(place == 0),
                    info[bank].top.eq(top),
                    info[bank].last.eq(beat.last),
                    info[bank].release.eq(beat.release),
                ]
            with m.Elif(freed & (use == bank)):
                m.d.sync += full[bank].eq(0)
        return words

    def _slice(self, m: Module, words: Memory, address: Signal, q: Signal) -> None:
        """Select the digits of slice ``q``: two cycles of latency."""
        shape, spec = self.shape, self.shape.spec
        reader = words.read_port()
        slice_read = Signal.like(q)
        m.d.comb += reader.addr.eq(address)
        m.d.sync += slice_read.eq(q)
        for lane in range(shape.lanes):
            value = reader.data.word_select(lane, spec.act_bits)
            m.d.sync += self.acts[lane].eq((value >> (slice_read * spec.dac_bits))[: spec.dac_bits])
