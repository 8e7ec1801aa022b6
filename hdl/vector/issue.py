"""Issue stage of the vector unit: forms vector beats of operands from words and accumulators."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.descriptors import struct
from hdl.engine.contract import accs_layout
from hdl.vector.operand_fetch import passes, word_meta
from models.machine.spec import MachineSpec
from models.program.layout import ADDRESS, STEP, VECTOR, VectorOp


def tag_layout(spec: MachineSpec) -> data.StructLayout:
    """Sideband that accompanies a vector beat through the pipeline.

    ``write``, ``address``, ``chunk``: destination of its codes; ``mask``: lanes that hold elements
    of the row; ``order``: entry of the row order; ``square``, ``largest``, ``exponential``: its
    statistics pass; ``first``, ``last``: first, last beat of its row; ``row``: number of the row
    in its row group; ``end``: last beat of the descriptor.
    """
    order = {"order": range(spec.param_entries)} if spec.scatter else {}
    return data.StructLayout(
        {
            **order,
            "valid": 1,
            "write": 1,
            "address": ADDRESS.bits,
            "chunk": max(1, (spec.subwords - 1).bit_length()),
            "mask": spec.vector_lanes,
            "square": 1,
            "largest": 1,
            "exponential": 1,
            "first": 1,
            "last": 1,
            "row": max(1, (spec.row_group - 1).bit_length()),
            "end": 1,
        }
    )


class VectorIssue(Component):
    """Issues one beat of ``vector_lanes`` operands per cycle, with its tag.

    An addition reads two words for the beats of one output word. If a word is one beat (16-bit
    codes, default machine), an addition takes two cycles per beat; with two or more beats per word
    it takes one.

    Attributes
    ----------
    start : in
        Begin ``config``, which must be stable until the beat marked ``end``.
    i_words, i_accs : streams of the scratchpad reader and of the engine
    ready : in
        The pipeline accepts a beat.
    first_done, second_done : in
        Number of rows of this group whose first (softmax: maximum) and second statistics are known.
    x, y, tag, param, order : out
        Operands, tag, and the beat's entries of the parameters and of the row order.
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
                "x": Out(data.ArrayLayout(signed(32), lanes)),
                "y": Out(data.ArrayLayout(signed(16), lanes)),
                "tag": Out(tag_layout(spec)),
                "param": Out(VECTOR["param"].bits),
                "order": Out(VECTOR["order"].bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self.config
        on = Signal()
        drain, pool, add = Signal(), Signal(), Signal()
        self._last_turn = Signal(2)
        with m.If(self.start):
            # Decode once per descriptor: keeps the operator's code off all later paths.
            m.d.sync += [
                on.eq(1),
                drain.eq(c.op == VectorOp.DRAIN),
                pool.eq((c.op == VectorOp.MAX_POOL) | (c.op == VectorOp.AVERAGE_POOL)),
                add.eq(c.op == VectorOp.ADD),
                self._last_turn.eq(passes(c.op)),
            ]
        fire = Signal()  # a beat leaves this cycle
        with m.If(fire & self.tag.end):
            m.d.sync += on.eq(0)
        m.d.comb += self.tag.valid.eq(fire)
        wait_row = self._walk(m, drain=drain, fire=fire)
        self._operands(m, on=on, drain=drain, pool=pool, add=add, fire=fire, hold=wait_row)
        return m

    def _walk(self, m: Module, *, drain: Signal, fire: Signal) -> Signal:
        """Loop over beats; drive tags, and return the flag that a row must wait for statistics."""
        spec, c, tag = self.spec, self.config, self.tag
        lanes = spec.vector_lanes
        per_tile = spec.rows // lanes
        column = Signal(len(c.channels))  # number of this beat within its row
        reached = Signal(len(c.channels) + 1)  # channels before this beat
        row = Signal(range(spec.row_group))
        left = Signal(c.rows.shape())
        group_left = Signal(c.rows.shape())
        turn = Signal(2)
        line = Signal(signed(STEP.bits))  # word where this row's output begins
        word = Signal(c.channels.shape())
        chunk = Signal(range(max(2, spec.subwords)))
        # Drain: column, channel, word and chunk of a tile's first beat.
        tile = Signal(c.tiles.shape())
        tile_column, tile_reached = Signal(len(c.channels)), Signal(len(c.channels) + 1)
        tile_word, tile_chunk = Signal(c.channels.shape()), Signal.like(chunk)
        token = Signal(range(max(2, spec.tokens)))
        beat = Signal(range(max(2, per_tile)))
        last_beat = Signal.like(beat)

        end_columns, end_row, end_pass, end_tokens = Signal(), Signal(), Signal(), Signal()
        gone = Signal()  # past the last token: the array's result is padding, dropped
        next_chunk, next_word = Signal.like(chunk), Signal.like(word)
        step = 1 + c.wide_out
        with m.If(chunk + step == spec.subwords):
            m.d.comb += [next_chunk.eq(0), next_word.eq(word + 1)]
        with m.Else():
            m.d.comb += [next_chunk.eq(chunk + step), next_word.eq(word)]
        final = Signal()
        statistics = Signal()
        ordered = drain & ~c.short
        m.d.comb += [
            end_columns.eq(Mux(drain, beat == last_beat, reached + lanes >= c.channels)),
            gone.eq(left == 0),
            end_tokens.eq((left <= 1) & (token == spec.tokens - 1)),
            end_row.eq((row == spec.row_group - 1) | (left == 1)),
            end_pass.eq(turn == self._last_turn),
            final.eq(drain | end_pass),
            statistics.eq(~final),
            # The row order has its own mask: `tag.mask` does not apply.
            tag.write.eq(final & ~gone & (tag.mask.any() | (ordered if spec.scatter else 0))),
            # The row order adds the word's number later.
            tag.address.eq(line + (Mux(ordered, 0, word) if spec.scatter else word)),
            tag.chunk.eq(chunk),
            tag.square.eq(statistics & (c.op == VectorOp.LAYER_NORM)),
            tag.largest.eq(statistics & (c.op == VectorOp.SOFTMAX) & (turn == 0)),
            tag.exponential.eq(statistics & (c.op == VectorOp.SOFTMAX) & (turn == 1)),
            tag.first.eq(column == 0),
            tag.last.eq(end_columns),
            tag.row.eq(row),
            tag.end.eq(
                Mux(
                    drain,
                    end_columns & end_tokens & (tile == 1),
                    end_columns & (left == 1) & end_pass,
                )
            ),
            self.param.eq(c.param + Mux(drain & ~c.param_step, 0, column)),
            self.order.eq(c.order + column),
            *([tag.order.eq(self.order)] if spec.scatter else []),
        ]
        for lane in range(lanes):
            m.d.comb += tag.mask[lane].eq(reached + lane < c.channels)

        with m.If(self.start):
            m.d.sync += [
                column.eq(0), reached.eq(0), row.eq(0), turn.eq(0), word.eq(0), chunk.eq(0),
                left.eq(c.rows), group_left.eq(c.rows), line.eq(c.out), tile.eq(c.tiles),
                tile_column.eq(0), tile_reached.eq(0), tile_word.eq(0), tile_chunk.eq(0),
                token.eq(0), beat.eq(0),
                last_beat.eq(
                    Mux(c.short, max(spec.dynamic_rows // lanes, 1) - 1, per_tile - 1)
                ),
            ]  # fmt: skip
        m.d.comb += self.group_start.eq(
            self.start | (fire & ~drain & end_columns & end_row & end_pass)
        )
        with m.If(fire):
            m.d.sync += [
                column.eq(column + 1),
                reached.eq(reached + lanes),
                word.eq(next_word),
                chunk.eq(next_chunk),
                beat.eq(beat + 1),
            ]
            with m.If(end_columns & drain):
                m.d.sync += [
                    beat.eq(0),
                    column.eq(tile_column),
                    reached.eq(tile_reached),
                    word.eq(tile_word),
                    chunk.eq(tile_chunk),
                    token.eq(Mux(token == spec.tokens - 1, 0, token + 1)),
                    left.eq(Mux(gone, 0, left - 1)),
                    line.eq(line + c.out_stride),
                ]
                with m.If(end_tokens):
                    m.d.sync += [
                        left.eq(c.rows),
                        line.eq(c.out),
                        tile.eq(tile - 1),
                        column.eq(column + 1),
                        tile_column.eq(column + 1),
                        reached.eq(reached + lanes),
                        tile_reached.eq(reached + lanes),
                        word.eq(next_word),
                        tile_word.eq(next_word),
                        chunk.eq(next_chunk),
                        tile_chunk.eq(next_chunk),
                    ]
            with m.Elif(end_columns):
                m.d.sync += [
                    column.eq(0),
                    reached.eq(0),
                    word.eq(0),
                    chunk.eq(0),
                    row.eq(row + 1),
                    left.eq(left - 1),
                ]
                with m.If(final):
                    m.d.sync += line.eq(line + c.out_stride)
                with m.If(end_row):
                    m.d.sync += row.eq(0)
                    with m.If(end_pass):
                        m.d.sync += [turn.eq(0), group_left.eq(left - 1)]
                    with m.Else():
                        m.d.sync += [turn.eq(turn + 1), left.eq(group_left)]
        hold = Signal()
        m.d.comb += hold.eq(
            (tag.exponential & (self.first_done <= row))
            | (final & (self._last_turn != 0) & (self.second_done <= row))
        )
        return hold

    def _operands(
        self,
        m: Module,
        *,
        on: Signal,
        drain: Signal,
        pool: Signal,
        add: Signal,
        fire: Signal,
        hold: Signal,
    ) -> None:
        """Cut words into beats; hold the first operand of an addition; reduce pooling windows."""
        spec, c = self.spec, self.config
        lanes = spec.vector_lanes
        chunks = data.ArrayLayout(8 * lanes, spec.subwords)
        chunk = Signal(range(max(2, spec.subwords)))  # in the input word
        # An addition holds its first word until the second one arrives, and holds the second one
        # from its first beat on, so that the next first word can enter while the last beat leaves.
        kept, kept2 = Signal(chunks), Signal(chunks)
        have = Signal()
        head = self.i_words.payload.word
        meta = self.i_words.payload.meta
        fresh = chunk == 0
        a = self._codes(m, Mux(add, kept.as_value(), head), Mux(pool, meta.chunk, chunk), "a")
        b = self._codes(m, Mux(fresh, head, kept2.as_value()), chunk, "b")

        window = [Signal(signed(32), name=f"window{i}") for i in range(lanes)]
        largest = c.op == VectorOp.MAX_POOL
        for lane in range(lanes):
            code = Signal(signed(17), name=f"code{lane}")
            merged = Signal(signed(32), name=f"merged{lane}")
            m.d.comb += code.eq(a[lane] - Mux(largest | ~pool, 0, c.a_zero))
            with m.If(meta.first):
                m.d.comb += merged.eq(code)
            with m.Elif(largest):
                m.d.comb += merged.eq(Mux(code > window[lane], code, window[lane]))
            with m.Else():
                m.d.comb += merged.eq(window[lane] + code)
            with m.If(self.i_words.valid & self.i_words.ready & pool):
                m.d.sync += window[lane].eq(merged)
            m.d.comb += self.y[lane].eq(b[lane])
            with m.If(drain):
                m.d.comb += self.x[lane].eq(self.i_accs.payload[lane])
            with m.Elif(pool):
                m.d.comb += self.x[lane].eq(merged)
            with m.Else():
                m.d.comb += self.x[lane].eq(a[lane])

        step = 1 + c.wide_in
        word_over = Signal()
        operands = Mux(
            add, have & (~fresh | self.i_words.valid), self.i_words.valid & (~pool | meta.last)
        )
        second, first = Signal(), Signal()  # an addition accepts its second, its first word
        m.d.comb += [
            word_over.eq((chunk + step == spec.subwords) | self.tag.last),
            fire.eq(on & self.ready & ~hold & Mux(drain, self.i_accs.valid, operands)),
            self.i_accs.ready.eq(on & drain & self.ready),
            second.eq(add & fire & fresh),
            first.eq(add & (~have | (fire & word_over & ~fresh))),
            self.i_words.ready.eq(
                on
                & ~drain
                & Mux(add, first | second, Mux(pool, fire | ~meta.last, fire & word_over))
            ),
        ]
        with m.If(fire & ~pool & ~drain):
            m.d.sync += chunk.eq(Mux(word_over, 0, chunk + step))
        with m.If(second):
            m.d.sync += kept2.as_value().eq(head)
        with m.If(on & first & self.i_words.valid):
            m.d.sync += [kept.as_value().eq(head), have.eq(1)]
        with m.Elif(fire & word_over):
            m.d.sync += have.eq(0)
        with m.If(self.start):
            m.d.sync += [chunk.eq(0), have.eq(0)]

    def _codes(self, m: Module, word: Any, chunk: Any, name: str) -> list[Signal]:
        """Return the beat's sign-extended codes: 8-bit from one chunk, or 16-bit from two."""
        spec, lanes = self.spec, self.spec.vector_lanes
        wide = Signal(16 * lanes, name=f"{name}_beat")
        m.d.comb += wide.eq(word >> (chunk * (8 * lanes))[: (8 * spec.word_bytes).bit_length()])
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
