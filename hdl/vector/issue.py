"""Issue stage of the vector unit: forms vector beats of operands from words and accumulators."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.descriptors import struct
from hdl.engine.contract import accs_layout
from hdl.vector.beat_walk import BeatWalk, tag_layout
from hdl.vector.operand_fetch import word_meta
from models.cost.pipelines import ISSUE_LATENCY
from models.machine.spec import MachineSpec
from models.program.layout import VECTOR, VectorOp


class VectorIssue(Component):
    """Issues one beat of ``vector_lanes`` operands per cycle, with its tag.

    An addition reads two words for the beats of one output word. If a word is one beat (16-bit
    codes, default machine), an addition takes two cycles per beat; with two or more beats per word
    it takes one.

    Latency from a word or accumulators to operands is ``ISSUE_LATENCY`` cycles
    (:mod:`models.cost.pipelines`), to ``ahead`` one less.

    Attributes
    ----------
    start : in
        Begin ``config``, which must be stable until the beat marked ``end``.
    i_words, i_accs : streams of the scratchpad reader and of the engine
    ready : in
        The pipeline accepts a beat.
    first_done, second_done : in
        Number of rows of this group whose first (softmax: maximum) and second statistics are known.
    group_start : out
        A row group begins: neither statistics of its rows are known.
    ahead, param, order : out
        Tag of the beat whose operands come in the next cycle, and its entries of the parameters
        and of the row order.
    x, y, tag : out
        Operands and tag.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        lanes = spec.vector_lanes
        word = data.StructLayout({"word": 8 * spec.word_bytes, "meta": word_meta(spec)})
        count = range(spec.row_group + 1)
        super().__init__(
            {
                "config": In(struct(VECTOR)),
                "start": In(1),
                "i_words": In(stream.Signature(word)),
                "i_accs": In(stream.Signature(accs_layout(spec))),
                "ready": In(1),
                "first_done": In(count),
                "second_done": In(count),
                "group_start": Out(1),
                "ahead": Out(tag_layout(spec)),
                "param": Out(VECTOR["param"].bits),
                "order": Out(VECTOR["order"].bits),
                "x": Out(data.ArrayLayout(signed(32), lanes)),
                "y": Out(data.ArrayLayout(signed(16), lanes)),
                "tag": Out(tag_layout(spec)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self.config
        m.submodules.walk = self._walk = walk = BeatWalk(self.spec)
        fire = Signal()  # a beat leaves this cycle
        m.d.comb += [
            walk.config.eq(c),
            walk.start.eq(self.start),
            walk.fire.eq(fire),
            walk.first_done.eq(self.first_done),
            walk.second_done.eq(self.second_done),
            self.group_start.eq(walk.group_start),
        ]
        tag = walk.tag
        for stage in range(1, ISSUE_LATENCY - 1):
            later = Signal(tag_layout(self.spec), name=f"tag{stage}")
            m.d.sync += later.eq(tag)
            tag = later
        m.d.sync += [self.ahead.eq(tag), self.tag.eq(self.ahead)]
        for entry, out in ((walk.param, self.param), (walk.order, self.order)):
            for stage in range(1, ISSUE_LATENCY - 1):
                later = Signal.like(out, name=f"entry{stage}")
                m.d.sync += later.eq(entry)
                entry = later
            m.d.sync += out.eq(entry)
        # What is going on: no more than one of them.
        self._draining, self._pooling = Signal(name="draining"), Signal(name="pooling")
        self._adding, self._plain = Signal(name="adding"), Signal(name="plain")
        going = [self._draining, self._pooling, self._adding, self._plain]
        # What the descriptor is: also for operands that are under way after its last beat.
        self._drain, self._pool = Signal(name="drain"), Signal(name="pool")
        self._single = Signal(name="single")
        zero = Signal(c.a_zero.shape())  # what codes of a window are above
        with m.If(self.start):
            # Decode once per descriptor: keeps the operator's code off all later paths.
            average = c.op == VectorOp.AVERAGE_POOL
            drain, add = c.op == VectorOp.DRAIN, c.op == VectorOp.ADD
            kinds = [drain, average, add, ~(drain | average | add)]
            m.d.sync += [flag.eq(kind) for flag, kind in zip(going, kinds, strict=True)]
            m.d.sync += [
                self._drain.eq(drain),
                self._pool.eq(average),
                self._single.eq(~add),
                zero.eq(Mux(average, c.a_zero, 0)),
            ]
        with m.If(fire & walk.tag.end):
            m.d.sync += [flag.eq(0) for flag in going]
        a, b = self._words(m, fire)
        self._operands(m, a, b, zero)
        return m

    def _words(self, m: Module, fire: Signal) -> tuple[list[Signal], list[Signal]]:
        """Take words; hold those of an addition; register the beat's bytes."""
        spec, c = self.spec, self.config
        draining, pooling, plain = self._draining, self._pooling, self._plain
        chunks = data.ArrayLayout(8 * spec.vector_lanes, spec.subwords)
        chunk = Signal(range(max(2, spec.subwords)))  # in the input word
        # An addition holds its first word until the second one arrives, and holds the second one
        # from its first beat on, so that the next first word can enter while the last beat leaves.
        kept, kept2 = Signal(chunks), Signal(chunks)
        have = Signal()
        head = self.i_words.payload.word
        meta = self.i_words.payload.meta
        # Its first beat, and the last one of it or of the row; registers, set one beat ahead.
        # `late` is the opposite of `fresh`, as `single` is of `add`, for the many bits of a word.
        fresh, late, word_over = Signal(), Signal(), Signal()
        a = self._codes(
            m, Mux(self._single, head, kept.as_value()), Mux(self._pool, meta.chunk, chunk), "a"
        )
        b = self._codes(m, Mux(late, kept2.as_value(), head), chunk, "b")
        step = 1 + c.wide_in
        ready, valid = self.ready, self.i_words.valid
        first = Signal()  # an addition accepts its first word
        # Whether a word is accepted does not depend on its being there: if it is not, none leaves.
        m.d.comb += [
            # Only an addition has, and only row operators hold.
            fire.eq(
                ready
                & ~self._walk.hold
                & (
                    (draining & self.i_accs.valid)
                    | (have & (~fresh | valid))
                    | (valid & (plain | (pooling & meta.last)))
                )
            ),
            self.i_accs.ready.eq(draining & ready),
            first.eq(~have | (ready & word_over & ~fresh)),
            self.i_words.ready.eq(
                (self._adding & (first | (ready & fresh)))
                | (pooling & (ready | ~meta.last))
                | (plain & ready & ~self._walk.hold & word_over)
            ),
        ]
        alone = step == spec.subwords
        next_ends = Mux(word_over, alone, chunk + 2 * step == spec.subwords)
        with m.If(fire):
            m.d.sync += [
                chunk.eq(chunk + step),
                fresh.eq(word_over),
                late.eq(~word_over),
                word_over.eq(next_ends | self._walk.row_ends),
            ]
            with m.If(word_over):
                m.d.sync += chunk.eq(0)
        # Whatever is there while the second word is awaited: that needs no look at the handshake.
        with m.If(~late):
            m.d.sync += kept2.as_value().eq(head)
        with m.If(~have | (ready & word_over & late)):
            m.d.sync += kept.as_value().eq(head)
        with m.If(self._adding & first & valid):
            m.d.sync += have.eq(1)
        with m.Elif(fire & word_over):
            m.d.sync += have.eq(0)
        with m.If(self.start):
            m.d.sync += [chunk.eq(0), fresh.eq(1), late.eq(0), have.eq(0)]
            m.d.sync += word_over.eq(alone | self._walk.row_ends)
        return a, b

    def _operands(self, m: Module, a: list[Signal], b: list[Signal], zero: Signal) -> None:
        """Build the second stage, codes or accumulators, and the third: sums of windows."""
        meta = self.i_words.payload.meta
        accs = Signal.like(self.i_accs.payload)
        m.d.sync += accs.eq(self.i_accs.payload)
        # To be merged; a window begins.
        moves1, first1, moves, first = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            moves1.eq(~self._pool | (self.i_words.valid & self.i_words.ready)),
            first1.eq(~self._pool | meta.first),
            moves.eq(moves1),
            first.eq(first1),
        ]
        for lane in range(self.spec.vector_lanes):
            value = Signal(signed(32), name=f"value{lane}")
            second = Signal(signed(16), name=f"second{lane}")
            window = self.x[lane]
            with m.If(self._drain):
                m.d.sync += value.eq(accs[lane])
            with m.Else():
                m.d.sync += value.eq(a[lane] - zero)
            m.d.sync += [second.eq(b[lane]), self.y[lane].eq(second)]
            # A window's sum so far is the operand: nobody looks before it is complete.
            with m.If(moves):
                m.d.sync += window.eq(Mux(first, 0, window) + value)

    def _codes(self, m: Module, word: Any, chunk: Any, name: str) -> list[Signal]:
        """Return a beat's sign-extended codes, a register behind its bytes: one chunk, or two."""
        spec, lanes = self.spec, self.spec.vector_lanes
        wide = Signal(16 * lanes, name=f"{name}_beat")
        m.d.sync += wide.eq(word >> (chunk * (8 * lanes))[: (8 * spec.word_bytes).bit_length()])
        codes = []
        for lane in range(lanes):
            code = Signal(signed(16), name=f"{name}{lane}")
            m.d.comb += code.eq(
                Mux(
                    self.config.wide_in,
                    wide[16 * lane : 16 * lane + 16].as_signed(),
                    wide[8 * lane : 8 * lane + 8].as_signed(),
                )
            )
            codes.append(code)
        return codes
