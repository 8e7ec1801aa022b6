"""Address generator of the vector unit: the scratchpad words that an operator reads, in order."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.descriptors import struct
from hdl.vector.compare import above
from models.machine.spec import MachineSpec
from models.program.layout import STEP, SUM_BITS, VECTOR, VectorOp


def word_meta(spec: MachineSpec) -> data.StructLayout:
    """Sideband of a pooling word: first, last of its window, and the vector beat to use of it."""
    return data.StructLayout(
        {"first": 1, "last": 1, "chunk": max(1, (spec.subwords - 1).bit_length())}
    )


def passes(op: Signal) -> object:
    """Return the number of passes of an operator over a row, minus one."""
    return Mux(op == VectorOp.SOFTMAX, 2, Mux(op == VectorOp.LAYER_NORM, 1, 0))


class VectorFetch(Component):
    """Generates one address per cycle, in nested loops.

    * Row operators: row group x pass x row x word (x operand of an addition).
    * Average pooling: position x vector beat x kernel row x kernel column; a word is read once for
      each of its vector beats.
    * Max pooling: position x word x kernel row x kernel column.

    Attributes
    ----------
    start : in
        Begin the loops of ``config``, which must be stable until they end.
    o : stream of address and meta, for a :class:`ScratchpadReader`
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "config": In(struct(VECTOR)),
                "start": In(1),
                "o": Out(
                    stream.Signature(
                        data.StructLayout({"address": SUM_BITS, "meta": word_meta(spec)})
                    )
                ),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self.config
        rows_on, pool_on = Signal(), Signal()
        pooling = (c.op == VectorOp.MAX_POOL) | (c.op == VectorOp.AVERAGE_POOL)
        with m.If(self.start):
            m.d.sync += [
                rows_on.eq(~pooling & (c.op != VectorOp.DRAIN)),
                pool_on.eq(pooling),
            ]
        m.d.comb += self.o.valid.eq(rows_on | pool_on)
        self._rows(m, rows_on)
        self._pool(m, pool_on)
        return m

    def _rows(self, m: Module, on: Signal) -> None:
        spec, c = self.spec, self.config
        address, address2 = Signal(signed(STEP.bits)), Signal(signed(STEP.bits))
        group = Signal(signed(STEP.bits))
        word = Signal(c.channels.shape())
        remaining = Signal(signed(len(c.channels) + 2))  # channels from this word on
        row = Signal(range(spec.row_group))
        left = Signal(c.rows.shape())  # rows from this one on
        group_left = Signal(c.rows.shape())  # rows from the group's first on
        turn = Signal(2)
        # The second operand of an addition; its first one, which the loops wait for.
        second, halfway = Signal(), Signal()
        # Constant over a descriptor: decoded ahead of the loops.
        is_add, last_turn = Signal(), Signal(2)
        codes = Signal(range(spec.word_bytes + 1))  # of a word
        # Flags are registers, set with the counters: a row's last word, a row of one word; the
        # group's last row, the descriptor's; the last pass.
        end_word, single, last_row, one_left, end_pass = (
            Signal(name=name) for name in ("end_word", "single", "last_row", "one_left", "end_pass")
        )
        end_row = last_row | one_left
        following, following2 = Signal(signed(STEP.bits)), Signal(signed(STEP.bits))
        m.d.sync += [
            is_add.eq(c.op == VectorOp.ADD),
            last_turn.eq(passes(c.op)),
            codes.eq(Mux(c.wide_in, spec.word_bytes // 2, spec.word_bytes)),
        ]
        channels = Cat(c.channels, Const(0, 1))
        alone = ~Mux(
            c.wide_in, above(channels, spec.word_bytes // 2), above(channels, spec.word_bytes)
        )
        next_ends = ~Mux(
            c.wide_in,
            above(remaining, spec.word_bytes // 2 * 2),
            above(remaining, spec.word_bytes * 2),
        )
        m.d.comb += [
            following.eq(address + c.src_stride),
            following2.eq(address2 + c.src2_stride),
        ]
        with m.If(on):
            m.d.comb += self.o.payload.address.eq(Mux(second, address2, address) + word)
        with m.If(self.start):
            m.d.sync += [
                address.eq(c.src),
                group.eq(c.src),
                address2.eq(c.src2),
                word.eq(0),
                remaining.eq(c.channels),
                end_word.eq(alone),
                single.eq(alone),
                row.eq(0),
                last_row.eq(spec.row_group == 1),
                left.eq(c.rows),
                one_left.eq(c.rows == 1),
                group_left.eq(c.rows),
                turn.eq(0),
                end_pass.eq(passes(c.op) == 0),
                second.eq(0),
                halfway.eq(c.op == VectorOp.ADD),
            ]
        with m.If(on & self.o.ready):
            with m.If(halfway):
                m.d.sync += [second.eq(1), halfway.eq(0)]
            with m.Else():
                m.d.sync += [
                    second.eq(0),
                    halfway.eq(is_add),
                    word.eq(word + 1),
                    remaining.eq(remaining - codes),
                ]
                m.d.sync += end_word.eq(next_ends)
                with m.If(end_word):
                    m.d.sync += [word.eq(0), remaining.eq(c.channels), end_word.eq(single)]
                    m.d.sync += [row.eq(row + 1), last_row.eq(row == spec.row_group - 2)]
                    m.d.sync += [left.eq(left - 1), one_left.eq(left == 2)]
                    m.d.sync += [address.eq(following), address2.eq(following2)]
                    with m.If(end_row):
                        m.d.sync += [row.eq(0), last_row.eq(spec.row_group == 1)]
                        with m.If(end_pass):
                            m.d.sync += [
                                turn.eq(0),
                                end_pass.eq(last_turn == 0),
                                group.eq(following),
                                group_left.eq(left - 1),
                            ]
                            with m.If(one_left):
                                m.d.sync += on.eq(0)
                        with m.Else():
                            m.d.sync += [
                                turn.eq(turn + 1),
                                end_pass.eq(turn + 1 == last_turn),
                                address.eq(group),
                                left.eq(group_left),
                                one_left.eq(group_left == 1),
                            ]

    def _pool(self, m: Module, on: Signal) -> None:
        spec, c = self.spec, self.config
        position = Signal(signed(STEP.bits))
        tap = Signal(signed(STEP.bits))
        word = Signal(c.channels.shape())
        chunk = Signal(range(max(2, spec.subwords)))
        remaining = Signal(signed(len(c.channels) + 2))  # channels from this beat on
        # Taps from this one on, but for it, in both directions; whether there are none, and whether
        # there were none before: flags are registers, set with the counters.
        ky, kx = Signal(c.kernel_y.shape()), Signal(c.kernel_x.shape())
        last_ky, last_kx = Signal.like(ky), Signal.like(kx)
        end_ky, end_kx, first_ky, first_kx = Signal(), Signal(), Signal(), Signal()
        column = Signal(c.width.shape())
        before_last_column = Signal.like(column)
        end_column, single_column = Signal(), Signal()  # the last one; it is the only one
        left = Signal(c.rows.shape())
        one_left = Signal()
        step = 1 + c.wide_in
        end_window = Signal()
        # A position's last beat (or word), the only one: registers.
        end_beats, single = Signal(), Signal()
        whole = Signal()  # windows are of whole words
        codes = Signal(range(spec.word_bytes + 1))  # of a beat, or of a word

        def more(than: Any, times: int) -> Value:
            beats, words = (above(than, times * n) for n in (spec.vector_lanes, spec.word_bytes))
            halves = above(than, times * (spec.word_bytes // 2))
            return Mux(c.op == VectorOp.MAX_POOL, Mux(c.wide_in, halves, words), beats)

        alone = ~more(Cat(c.channels, Const(0, 1)), 1)
        meta = self.o.payload.meta
        # Constant over a descriptor: calculated ahead of the loops.
        m.d.sync += [
            whole.eq(c.op == VectorOp.MAX_POOL),
            codes.eq(
                Mux(
                    c.op == VectorOp.MAX_POOL,
                    Mux(c.wide_in, spec.word_bytes // 2, spec.word_bytes),
                    spec.vector_lanes,
                )
            ),
            last_kx.eq(c.kernel_x - 1),
            last_ky.eq(c.kernel_y - 1),
            before_last_column.eq(c.width - 2),
            single_column.eq(c.width == 1),
        ]
        m.d.comb += [
            end_window.eq(end_kx & end_ky),
        ]
        with m.If(on):
            m.d.comb += [
                self.o.payload.address.eq(position + tap + word),
                meta.first.eq(first_kx & first_ky),
                meta.last.eq(end_window),
                meta.chunk.eq(chunk),
            ]
        with m.If(self.start):
            m.d.sync += [
                position.eq(c.src),
                tap.eq(0),
                word.eq(0),
                chunk.eq(0),
                remaining.eq(c.channels),
                end_beats.eq(alone),
                single.eq(alone),
                ky.eq(c.kernel_y - 1),
                kx.eq(c.kernel_x - 1),
                end_ky.eq(c.kernel_y == 1),
                end_kx.eq(c.kernel_x == 1),
                first_ky.eq(1),
                first_kx.eq(1),
                column.eq(0),
                end_column.eq(c.width == 1),
                left.eq(c.rows),
                one_left.eq(c.rows == 1),
            ]
        with m.If(on & self.o.ready):
            m.d.sync += [
                kx.eq(kx - 1),
                end_kx.eq(kx == 1),
                first_kx.eq(end_kx),
                tap.eq(tap + c.tap_step),
            ]
            with m.If(end_kx):
                m.d.sync += [
                    kx.eq(last_kx),
                    end_kx.eq(last_kx == 0),
                    ky.eq(ky - 1),
                    end_ky.eq(ky == 1),
                    first_ky.eq(end_ky),
                    tap.eq(tap + c.tap_line_step),
                ]
            with m.If(end_window):
                m.d.sync += [
                    ky.eq(last_ky),
                    end_ky.eq(last_ky == 0),
                    tap.eq(0),
                    remaining.eq(remaining - codes),
                    end_beats.eq(~more(remaining, 2)),
                ]
                with m.If(whole | (chunk + step == spec.subwords)):
                    m.d.sync += [chunk.eq(0), word.eq(word + 1)]
                with m.Else():
                    m.d.sync += chunk.eq(chunk + step)
                with m.If(end_beats):
                    m.d.sync += [
                        chunk.eq(0),
                        word.eq(0),
                        remaining.eq(c.channels),
                        end_beats.eq(single),
                        left.eq(left - 1),
                        one_left.eq(left == 2),
                        end_column.eq(column == before_last_column),
                    ]
                    with m.If(end_column):
                        m.d.sync += [column.eq(0), end_column.eq(single_column)]
                        m.d.sync += position.eq(position + c.line_step)
                    with m.Else():
                        m.d.sync += [column.eq(column + 1), position.eq(position + c.token_step)]
                    with m.If(one_left):
                        m.d.sync += on.eq(0)
