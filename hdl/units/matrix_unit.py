"""Matrix unit: reads the scratchpad in the order of a convolution and feeds the engine."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, Out, connect, flipped

from hdl.descriptors import UnitSignature
from hdl.engine.contract import acts_layout
from hdl.memory.register_slice import RegisterStage
from hdl.memory.scratchpad import ReadPort, ScratchpadReader
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.layout import MATRIX, STEP

META = data.StructLayout({"outside": 1, "short": 1, "last": 1, "release": 1})
"""Sideband of a word: position is padding; block is short; last block of K loop, of the tile."""


class MatrixUnit(Component):
    """Activation loader: one scratchpad word per cycle in, one beat per cycle out.

    A block is the same channels of ``tokens`` successive output positions: it is read word by
    word (a word = one token) and leaves beat by beat (a beat = ``lanes`` channels of every
    token). A double buffer of two blocks overlaps reading and feeding; sustained throughput is one
    beat per cycle, latency from accepting a descriptor to its first beat ``tokens + 2`` cycles and
    :data:`~models.cost.pipelines.READ_LATENCY`.

    Stride, padding, dilation and the kernel loops are address arithmetic only. A position outside
    the image, or past the last token, contributes zeros.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "unit": Out(UnitSignature(Unit.MATRIX)),
                "port": Out(ReadPort(spec)),
                "o_acts": Out(stream.Signature(acts_layout(spec))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader = reader = ScratchpadReader(self.spec, META)
        connect(m, reader.port, flipped(self.port))
        d = Signal(self.unit.descriptor.payload.shape(), reset_less=True)
        busy, walking = Signal(), Signal()
        begin = self.unit.descriptor.valid & self.unit.descriptor.ready
        m.d.comb += [
            self.unit.descriptor.ready.eq(~busy),
            self.unit.stall.eq(busy & ~(self.o_acts.valid & self.o_acts.ready)),
        ]
        with m.If(begin):
            m.d.sync += [d.eq(self.unit.descriptor.payload), busy.eq(1)]
        with m.If(self.unit.done):
            m.d.sync += busy.eq(0)
        self._walk(m, reader, d, begin=begin, walking=walking)
        self._transpose(m, reader, d)
        return m

    def _walk(
        self, m: Module, reader: ScratchpadReader, d: Signal, *, begin: Signal, walking: Signal
    ) -> None:
        """Loop over addresses: tile x token group x kernel row x kernel column x word x token."""
        spec = self.spec
        position = data.StructLayout(
            {
                "address": signed(STEP.bits),
                "x": signed(16),
                "y": signed(16),
                "column": MATRIX["width"].bits,
                "left": MATRIX["tokens"].bits,
                "line_ends": 1,  # column is the last one
                "group_ends": 1,  # at most one token is left
            }
        )
        # Flags of the loops' ends are made one ahead: limits minus two, and whether they are one;
        # of words two ahead, with the limit minus three.
        ends = ("width", "words", "kernel_x", "kernel_y")
        limit = Signal(data.StructLayout({name: MATRIX[name].bits for name in ends}))
        single = Signal(data.StructLayout(dict.fromkeys((*ends, "tokens"), 1)))
        last = Signal(data.StructLayout(dict.fromkeys(ends[1:], 1)))
        last_tile = Signal()
        # This token; the group's first token.
        here, group = Signal(position, reset_less=True), Signal(position, reset_less=True)
        following, starting, successor = Signal(position), Signal(position), Signal(position)
        first = [Signal(position, name=f"first{i}") for i in range(2)]
        tap_address = Signal(signed(STEP.bits))
        tap_x, tap_y = Signal(signed(16)), Signal(signed(16))
        double_words, before_word = Signal(), Signal()  # there are two; this is the last but one
        tile = Signal(MATRIX["tiles"].bits)
        ky, kx = Signal(MATRIX["kernel_y"].bits), Signal(MATRIX["kernel_x"].bits)
        word = Signal(MATRIX["words"].bits)
        token = Signal(range(max(2, spec.tokens)))
        p = self.unit.descriptor.payload

        # A descriptor's first position: of the one at work, and of the one that begins.
        for at, (fields, width, tokens) in enumerate(
            ((d, single.width, single.tokens), (p, p.width == 1, p.tokens == 1))
        ):
            m.d.comb += [
                first[at].address.eq(fields.base),
                first[at].x.eq(fields.start_x),
                first[at].y.eq(fields.start_y),
                first[at].column.eq(0),
                first[at].left.eq(fields.tokens),
                first[at].line_ends.eq(width),
                first[at].group_ends.eq(tokens),
            ]
        m.d.comb += [
            following.group_ends.eq(here.left <= 2),
            following.left.eq(Mux(here.left == 0, 0, here.left - 1)),
        ]
        with m.If(here.line_ends):
            m.d.comb += [
                following.line_ends.eq(single.width),
                following.address.eq(here.address + d.line_step),
                following.x.eq(d.start_x),
                following.y.eq(here.y + d.stride_y),
                following.column.eq(0),
            ]
        with m.Else():
            m.d.comb += [
                following.line_ends.eq(here.column == limit.width),
                following.address.eq(here.address + d.token_step),
                following.x.eq(here.x + d.stride_x),
                following.y.eq(here.y),
                following.column.eq(here.column + 1),
            ]

        place = data.StructLayout(
            {
                "address": signed(STEP.bits),
                "x": signed(17),
                "y": signed(17),
                "token": 1,
                "meta": META,
            }
        )
        # Sums first, what they mean for the address in the next cycle.
        m.submodules.stage = stage = RegisterStage(place)
        now, then = stage.i.payload, stage.o.payload
        inside = Signal()
        end_word, end_kx, end_ky = Signal(), Signal(), Signal()
        end_token, end_group, end_loop = Signal(), Signal(), Signal()
        m.d.comb += [
            now.x.eq(here.x + tap_x),
            now.y.eq(here.y + tap_y),
            now.token.eq(here.left != 0),
            now.address.eq(here.address + tap_address + word),
            stage.i.valid.eq(walking),
            inside.eq(
                then.token
                & (then.x >= 0)
                & (then.x < d.in_width)
                & (then.y >= 0)
                & (then.y < d.in_height)
            ),
            end_word.eq(last.words),
            end_kx.eq(last.kernel_x),
            end_ky.eq(last.kernel_y),
            end_loop.eq(end_word & end_kx & end_ky),
            end_group.eq(here.group_ends),
            now.meta.short.eq(end_word),
            now.meta.last.eq(end_loop),
            now.meta.release.eq(end_group),
            reader.i.valid.eq(stage.o.valid),
            reader.i.payload.address.eq(Mux(inside, then.address, 0)),
            reader.i.payload.meta.eq(then.meta),
            reader.i.payload.meta.outside.eq(~inside),
            stage.o.ready.eq(reader.i.ready),
        ]
        with m.If(begin):
            m.d.sync += [limit[name].eq(getattr(p, name) - 2) for name in ends]
            m.d.sync += [single[name].eq(getattr(p, name) == 1) for name in (*ends, "tokens")]
            m.d.sync += [
                limit.words.eq(p.words - 3),
                double_words.eq(p.words == 2),
                before_word.eq(p.words == 2),
                walking.eq(1),
                last_tile.eq(p.tiles == 1),
                tile.eq(p.tiles),
                tap_address.eq(0),
                tap_x.eq(0),
                tap_y.eq(0),
                ky.eq(0),
                kx.eq(0),
                word.eq(0),
                token.eq(0),
            ]
        # Which loops end with this token is a register for each, so that no chain of loops follows
        # the reader's readiness.
        advance = Signal()
        at_word, at_line, at_loop, at_tile = Signal(), Signal(), Signal(), Signal()
        choice, later = Signal(2), Signal(4)
        ends_word = Mux(end_word, single.words, before_word)
        ends_kx = Mux(end_kx, single.kernel_x, kx == limit.kernel_x)
        ends_ky = Mux(end_ky, single.kernel_y, ky == limit.kernel_y)
        m.d.comb += [
            advance.eq(walking & (~stage.o.valid | reader.i.ready)),
            at_tile.eq(at_loop & end_group),
            choice.eq(Cat(~walking | (end_token & ~at_loop), ~walking | at_tile)),
            starting.eq(Mux(choice[0], first[1], first[0])),
            successor.eq(Mux(choice[1], starting, Mux(choice[0], group, following))),
        ]
        with m.If(walking):
            m.d.comb += later.eq(
                Cat(
                    Mux(end_token, spec.tokens == 1, token == spec.tokens - 2),
                    Mux(end_token, ends_word, end_word),
                    Mux(at_word, ends_kx, end_kx),
                    Mux(at_line, ends_ky, end_ky),
                )
            )
        with m.Else():
            m.d.comb += later.eq(
                Cat(spec.tokens == 1, p.words == 1, p.kernel_x == 1, p.kernel_y == 1)
            )
        with m.If(begin | advance):
            m.d.sync += [
                here.eq(successor),
                Cat(end_token, last.words, last.kernel_x, last.kernel_y).eq(later),
                at_word.eq(later[:2].all()),
                at_line.eq(later[:3].all()),
                at_loop.eq(later.all()),
            ]
        with m.If(begin | (advance & at_loop)):
            m.d.sync += group.eq(Mux(walking & ~end_group, following, starting))
        with m.If(advance):
            m.d.sync += token.eq(Mux(end_token, 0, token + 1))
        with m.If(advance & end_token):
            m.d.sync += word.eq(Mux(end_word, 0, word + 1))
            m.d.sync += before_word.eq(Mux(end_word, double_words, word == limit.words))
        with m.If(advance & at_word):
            m.d.sync += [
                kx.eq(Mux(end_kx, 0, kx + 1)),
                tap_x.eq(Mux(end_kx, 0, tap_x + d.dilation_x)),
                tap_address.eq(tap_address + Mux(end_kx, d.tap_line_step, d.tap_step)),
            ]
        with m.If(advance & at_line):
            m.d.sync += [
                ky.eq(Mux(end_ky, 0, ky + 1)),
                tap_y.eq(Mux(end_ky, 0, tap_y + d.dilation_y)),
            ]
        with m.If(advance & at_loop):
            m.d.sync += tap_address.eq(0)
        with m.If(advance & at_tile):
            m.d.sync += [tile.eq(tile - 1), last_tile.eq(tile == 2), walking.eq(~last_tile)]

    def _transpose(self, m: Module, reader: ScratchpadReader, d: Signal) -> None:
        """Transpose words to beats in two blocks: one is filled while the other one leaves."""
        spec = self.spec
        word = data.ArrayLayout(data.ArrayLayout(signed(8), spec.lanes), spec.tokens)
        place = range(max(2, spec.tokens))
        block = data.StructLayout(
            {
                "words": data.ArrayLayout(word, spec.tokens),
                "outside": spec.tokens,
                "ends": 1,  # the beat that is to leave is the last one
                "before": place,  # number of the last beat but one
                "last": 1,
                "release": 1,
            }
        )
        blocks = [Signal(block, name=f"block{i}", reset_less=True) for i in range(2)]
        full = Signal(2)
        fill, use = Signal(), Signal()
        into = Signal(place)
        beat = Signal(place)
        meta = reader.o.payload.meta
        m.d.comb += reader.o.ready.eq(~full.bit_select(fill, 1))
        stored = Signal()
        m.d.comb += stored.eq(reader.o.valid & reader.o.ready)
        end_fill = into == spec.tokens - 1
        with m.If(stored):
            m.d.sync += into.eq(Mux(end_fill, 0, into + 1))
            with m.If(end_fill):
                m.d.sync += fill.eq(~fill)
        left = Signal(block)
        m.d.comb += left.eq(Mux(use, blocks[1], blocks[0]))
        end_beat = Signal()
        final = Signal.like(beat)  # last beat of a short block
        with m.If(self.unit.descriptor.valid & self.unit.descriptor.ready):
            m.d.sync += final.eq(self.unit.descriptor.payload.last_beats - 1)
        m.d.comb += end_beat.eq(left.ends)
        until = Signal.like(beat)
        m.d.comb += until.eq(Mux(meta.short, final, spec.tokens - 1))
        sent = Signal()
        m.d.comb += [
            self.o_acts.valid.eq(full.bit_select(use, 1)),
            sent.eq(self.o_acts.valid & self.o_acts.ready),
            self.o_acts.payload.last.eq(left.last & end_beat),
            self.o_acts.payload.release.eq(left.last & left.release & end_beat),
        ]
        with m.If(sent):
            m.d.sync += beat.eq(Mux(end_beat, 0, beat + 1))
            with m.If(end_beat):
                m.d.sync += use.eq(~use)
        for index in range(2):
            with m.If(sent & (use == index)):
                m.d.sync += blocks[index].ends.eq(beat == blocks[index].before)
            with m.If(stored & (fill == index)):
                for token in range(spec.tokens):
                    with m.If(into == token):
                        m.d.sync += [
                            blocks[index].words[token].eq(reader.o.payload.word),
                            blocks[index].outside[token].eq(meta.outside),
                        ]
                with m.If(end_fill):
                    m.d.sync += [
                        full[index].eq(1),
                        blocks[index].ends.eq(until == 0),
                        blocks[index].before.eq(until - 1),
                        blocks[index].last.eq(meta.last),
                        blocks[index].release.eq(meta.release),
                    ]
            with m.If(sent & end_beat & (use == index)):
                m.d.sync += full[index].eq(0)
        for token in range(spec.tokens):
            lanes = left.words[token][beat]
            for lane in range(spec.lanes):
                # Row classes multiply codes without subtracting the zero point (the bias accounts
                # for it), so padding is the zero point itself.
                value = (
                    Mux(left.outside[token], d.zero, lanes[lane])
                    if spec.classes
                    else Mux(left.outside[token], 0, lanes[lane] - d.zero)
                )
                m.d.comb += self.o_acts.payload["values"][token][lane].eq(value)
        tiles, last_tile = Signal(MATRIX["tiles"].bits), Signal()
        with m.If(self.unit.descriptor.valid & self.unit.descriptor.ready):
            tiles_given = self.unit.descriptor.payload.tiles
            m.d.sync += [tiles.eq(tiles_given), last_tile.eq(tiles_given == 1)]
        with m.If(sent & self.o_acts.payload.release):
            m.d.sync += [tiles.eq(tiles - 1), last_tile.eq(tiles == 2)]
        m.d.comb += self.unit.done.eq(sent & self.o_acts.payload.release & last_tile)
