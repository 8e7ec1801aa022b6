"""Order of the vector unit's beats: their tags, one after the other."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from hdl.descriptors import struct
from hdl.vector.compare import above
from hdl.vector.operand_fetch import passes
from models.machine.spec import MachineSpec
from models.program.layout import STEP, SUM_BITS, VECTOR, VectorOp


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
            "address": SUM_BITS,
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


class BeatWalk(Component):
    """Loops over the beats of a descriptor; the next beat is there in the cycle after ``fire``.

    Attributes
    ----------
    start : in
        Begin ``config``, which must be stable until the beat marked ``end``.
    fire : in
        The beat leaves.
    first_done, second_done : in
        Number of rows of this group whose first (softmax: maximum) and second statistics are known.
    group_start : out
        A row group begins; one cycle after its first beat could leave.
    hold : out
        The beat must wait for statistics of its row.
    row_ends : out
        After ``start`` or ``fire`` the beat will be the last one of a row of words.
    tag, param, order : out
        Tag of the beat, and its entries of the parameters and of the row order.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        count = range(spec.row_group + 1)
        super().__init__(
            {
                "config": In(struct(VECTOR)),
                "start": In(1),
                "fire": In(1),
                "first_done": In(count),
                "second_done": In(count),
                "group_start": Out(1),
                "hold": Out(1),
                "row_ends": Out(1),
                "tag": Out(tag_layout(spec)),
                "param": Out(VECTOR["param"].bits),
                "order": Out(VECTOR["order"].bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, c, tag, fire = self.spec, self.config, self.tag, self.fire
        lanes = spec.vector_lanes
        per_tile = spec.rows // lanes
        drain, norm, softmax = Signal(), Signal(), Signal()
        statistics = Signal()  # there are passes before the last one
        last_turn = Signal(2)
        column = Signal(len(c.channels))  # number of this beat within its row
        remaining = Signal(signed(len(c.channels) + 2))  # channels from this beat on
        row = Signal(range(spec.row_group))
        left = Signal(c.rows.shape())
        group_left = Signal(c.rows.shape())
        turn = Signal(2)
        line = Signal(signed(STEP.bits))  # word where this row's output begins
        word = Signal(c.channels.shape())
        chunk = Signal(range(max(2, spec.subwords)))
        # Drain: column, channels, word and chunk of a tile's first beat.
        tile = Signal(c.tiles.shape())
        tile_column, tile_remaining = Signal(len(c.channels)), Signal.like(remaining)
        tile_word, tile_chunk = Signal(c.channels.shape()), Signal.like(chunk)
        token = Signal(range(max(2, spec.tokens)))
        beat = Signal(range(max(2, per_tile)))
        last_beat = Signal.like(beat)

        # Flags of the beat are registers, set one beat ahead: they lead to the enables of all that
        # is below. `end_columns` is one, of a row, or of a tile's row of accumulators; `end_pass`,
        # of the last pass; `exponential`, of a softmax's second pass.
        end_columns, single = Signal(), Signal()
        end_tile, end_line = Signal(), Signal()  # one or the other of them
        end_pass, exponential = Signal(), Signal()
        # One row is left; none: the array's result is padding, dropped.
        one_left, gone = Signal(), Signal()
        last_row, end_row, end_tokens = Signal(), Signal(), Signal()
        known = [Signal(name=f"known{i}") for i in range(2)]  # statistics of the row
        next_chunk, next_word = Signal.like(chunk), Signal.like(word)
        step = 1 + c.wide_out
        with m.If(chunk + step == spec.subwords):
            m.d.comb += [next_chunk.eq(0), next_word.eq(word + 1)]
        with m.Else():
            m.d.comb += [next_chunk.eq(chunk + step), next_word.eq(word)]
        final = Signal()
        ordered = drain & ~c.short
        is_drain = c.op == VectorOp.DRAIN
        first_beats = Mux(c.short, max(spec.dynamic_rows // lanes, 1) - 1, per_tile - 1)
        channels = Cat(c.channels, Const(0, 1))
        alone = Mux(is_drain, first_beats == 0, ~above(channels, lanes))
        next_line_ends = ~drain & ~above(remaining, 2 * lanes)
        m.d.comb += [
            end_columns.eq(end_tile | end_line),
            end_tokens.eq((gone | one_left) & (token == spec.tokens - 1)),
            end_row.eq(last_row | one_left),
            final.eq(drain | end_pass),
            # The row order has its own mask: `tag.mask` does not apply.
            tag.write.eq(final & ~gone & (above(remaining, 0) | (ordered if spec.scatter else 0))),
            # The row order adds the word's number later.
            tag.address.eq(line + (Mux(ordered, 0, word) if spec.scatter else word)),
            tag.valid.eq(fire),
            tag.chunk.eq(chunk),
            tag.square.eq(~final & norm),
            tag.largest.eq(~final & softmax & (turn == 0)),
            tag.exponential.eq(exponential),
            tag.first.eq(column == 0),
            tag.last.eq(end_columns),
            self.row_ends.eq(
                Mux(self.start, ~is_drain & alone, Mux(end_line, single, next_line_ends))
            ),
            tag.row.eq(row),
            tag.end.eq(
                Mux(
                    drain,
                    end_tile & end_tokens & (tile == 1),
                    end_line & one_left & end_pass,
                )
            ),
            self.param.eq(c.param + Mux(drain & ~c.param_step, 0, column)),
            self.order.eq(c.order + column),
            *([tag.order.eq(self.order)] if spec.scatter else []),
            self.hold.eq((exponential & ~known[0]) | (statistics & end_pass & ~known[1])),
        ]
        for lane in range(lanes):
            m.d.comb += tag.mask[lane].eq(above(remaining, lane))

        with m.If(self.start):
            m.d.sync += [
                # Decode once per descriptor: keeps the operator's code off all later paths.
                drain.eq(is_drain),
                norm.eq(c.op == VectorOp.LAYER_NORM),
                softmax.eq(c.op == VectorOp.SOFTMAX),
                statistics.eq(passes(c.op) != 0),
                last_turn.eq(passes(c.op)),
                single.eq(alone),
                end_tile.eq(is_drain & alone),
                end_line.eq(self.row_ends),
                end_pass.eq(passes(c.op) == 0),
                exponential.eq(0),
                last_row.eq(spec.row_group == 1),
                one_left.eq(c.rows == 1),
                gone.eq(c.rows == 0),
                column.eq(0), remaining.eq(c.channels), row.eq(0), turn.eq(0), word.eq(0),
                chunk.eq(0), left.eq(c.rows), group_left.eq(c.rows), line.eq(c.out),
                tile.eq(c.tiles), tile_column.eq(0), tile_remaining.eq(c.channels),
                tile_word.eq(0), tile_chunk.eq(0), token.eq(0), beat.eq(0),
                last_beat.eq(first_beats),
            ]  # fmt: skip
        m.d.sync += self.group_start.eq(self.start | (fire & end_line & end_row & end_pass))
        # Of the row of the next cycle. A group's first pass needs no statistics, so that it does
        # not matter that counts are of the group before for another cycle.
        next_row = Mux(end_row, 0, row + 1)
        for flag, done in zip(known, (self.first_done, self.second_done), strict=True):
            m.d.sync += flag.eq(
                ~self.group_start & Mux(fire & end_line, done > next_row, done > row)
            )
        with m.If(fire):
            m.d.sync += [
                column.eq(column + 1),
                remaining.eq(remaining - lanes),
                word.eq(next_word),
                chunk.eq(next_chunk),
                beat.eq(beat + 1),
                end_tile.eq(drain & (beat + 1 == last_beat)),
                end_line.eq(self.row_ends),
            ]
            with m.If(end_tile):
                m.d.sync += end_tile.eq(single)
            with m.If(end_tile):
                m.d.sync += [
                    beat.eq(0),
                    column.eq(tile_column),
                    remaining.eq(tile_remaining),
                    word.eq(tile_word),
                    chunk.eq(tile_chunk),
                    token.eq(Mux(token == spec.tokens - 1, 0, token + 1)),
                    left.eq(Mux(gone, 0, left - 1)),
                    one_left.eq(left == 2),
                    gone.eq(gone | one_left),
                    line.eq(line + c.out_stride),
                ]
                with m.If(end_tokens):
                    m.d.sync += [
                        left.eq(c.rows),
                        one_left.eq(c.rows == 1),
                        gone.eq(c.rows == 0),
                        line.eq(c.out),
                        tile.eq(tile - 1),
                        column.eq(column + 1),
                        tile_column.eq(column + 1),
                        remaining.eq(remaining - lanes),
                        tile_remaining.eq(remaining - lanes),
                        word.eq(next_word),
                        tile_word.eq(next_word),
                        chunk.eq(next_chunk),
                        tile_chunk.eq(next_chunk),
                    ]
            with m.Elif(end_line):
                m.d.sync += [
                    column.eq(0),
                    remaining.eq(c.channels),
                    word.eq(0),
                    chunk.eq(0),
                    row.eq(row + 1),
                    last_row.eq(row == spec.row_group - 2),
                    left.eq(left - 1),
                    one_left.eq(left == 2),
                ]
                with m.If(final):
                    m.d.sync += line.eq(line + c.out_stride)
                with m.If(end_row):
                    m.d.sync += [row.eq(0), last_row.eq(spec.row_group == 1)]
                    with m.If(end_pass):
                        m.d.sync += [
                            turn.eq(0),
                            end_pass.eq(~statistics),
                            exponential.eq(0),
                            group_left.eq(left - 1),
                        ]
                    with m.Else():
                        m.d.sync += [
                            turn.eq(turn + 1),
                            end_pass.eq(turn + 1 == last_turn),
                            exponential.eq(softmax & (turn == 0)),
                            left.eq(group_left),
                            one_left.eq(group_left == 1),
                        ]
        return m
