"""Weight unit: fills weight tiles from the load stream or from the scratchpad."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hdl.descriptors import UnitSignature
from hdl.engine.contract import row_groups, weights_layout
from hdl.memory.register_slice import RegisterStage, register_between
from hdl.memory.scratchpad import ReadPort, ScratchpadReader
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.layout import STEP, WEIGHT, WeightSource
from models.program.registers import ErrorCode

META = data.StructLayout({"outside": 1})


class WeightUnit(Component):
    """Writes one entry (``lanes`` elements of one row) per cycle into the engine's next tile.

    * ``STREAM``: words of the load unit are cut into entries, row after row. With row classes a
      word holds an entry of several rows of a class and leaves whole, one word per cycle.
    * ``DIRECT``: a row of the tile is a tensor row of the scratchpad (keys, for attention scores).
    * ``TRANSPOSED``: a row of the tile is a channel; its elements come from successive tensor rows
      of the scratchpad (values, for the attention context). ``lanes`` words are read, then one
      entry leaves for every row of the tile.

    Elements past the valid ones are zero, whatever the scratchpad holds there. Throughput is one
    entry per cycle; ``TRANSPOSED`` adds ``lanes`` reads, not overlapped, for every entry of all
    rows. An entry leaves two cycles after its word has come (one in the slice of ``i_words``, or in
    the reader's queue).
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        # Rows of a tile of activations: only dynamic rows can hold them.
        self.held = spec.dynamic_rows or spec.vector_lanes
        # Counters need no more bits: descriptors with more entries than the store are refused.
        self.entry_bits = spec.depth_entries.bit_length()
        super().__init__(
            {
                "unit": Out(UnitSignature(Unit.WEIGHT)),
                "port": Out(ReadPort(spec)),
                "i_words": In(stream.Signature(8 * spec.word_bytes)),
                "o_weights": Out(stream.Signature(weights_layout(spec))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader = reader = ScratchpadReader(self.spec, META)
        connect(m, reader.port, flipped(self.port))
        m.submodules.words = words = register_between(
            self.i_words.payload.shape(), self.spec.beats_per_word
        )
        m.submodules.out = out = RegisterStage(self.o_weights.payload.shape())
        connect(m, flipped(self.i_words), words.i)
        connect(m, out.o, flipped(self.o_weights))
        d = Signal(self.unit.descriptor.payload.shape(), reset_less=True)
        busy = Signal()
        begin = Signal()
        m.d.comb += [
            begin.eq(self.unit.descriptor.valid & self.unit.descriptor.ready),
            self.unit.descriptor.ready.eq(~busy),
            self.unit.stall.eq(busy & ~(out.i.valid & out.i.ready)),
        ]
        with m.If(begin):
            m.d.sync += [d.eq(self.unit.descriptor.payload), busy.eq(1)]
            with m.If(self.unit.descriptor.payload.entries > self.spec.depth_entries):
                m.d.sync += self.unit.error.eq(ErrorCode.ENTRY_BOUNDS)
        with m.If(self.unit.done):
            m.d.sync += busy.eq(0)
        self._ask(m, reader, d, begin)
        self._emit(m, words.o, reader.o, out.i, d, begin=begin, busy=busy)
        return m

    def _ask(self, m: Module, reader: ScratchpadReader, d: Signal, begin: Signal) -> None:
        """Loop over addresses: tile x row x word (direct), or tile x entry x token (transposed)."""
        spec = self.spec
        asking = Signal()
        outer = Signal(range(max(self.held, 1 << self.entry_bits)))
        inner = Signal(range(max(spec.lanes, 1 << self.entry_bits)))
        tile = Signal(WEIGHT["tiles"].bits)
        rows_left = Signal(WEIGHT["rows"].bits)  # rows of the matrix from this one on (direct)
        no_row = Signal()  # no row is left; registered to keep the comparator off the address path
        start = Signal(signed(STEP.bits))  # address of this row, or of this token
        column = Signal(WEIGHT["base"].bits)  # word offset of this tile's channels (transposed)
        part = Signal(range(max(2, spec.word_bytes // self.held)))
        p = self.unit.descriptor.payload
        direct = Signal()
        end_outer, end_inner = Signal(), Signal()
        entries_left = Signal(self.entry_bits)  # entries of this row from this word on
        # Flags of the last ones are made one ahead.
        before_last_outer = Signal(outer.shape())
        single_inner, single_outer, last_tile = Signal(), Signal(), Signal()
        m.d.comb += reader.i.valid.eq(asking)
        outside = Mux(direct, no_row, end_outer & (inner >= d.last_lanes))
        address = Signal(signed(STEP.bits))
        m.d.comb += [
            address.eq(start + Mux(direct, inner, column)),
            # Padding is read as well, from this unit's own bank: a read of another bank may have to
            # wait.
            reader.i.payload.address.eq(Mux(outside, d.base, address)),
            reader.i.payload.meta.outside.eq(outside),
        ]
        with m.If(begin):
            by_row = p.source == WeightSource.DIRECT
            ends_inner = Mux(by_row, p.entries <= spec.tokens, spec.lanes == 1)
            ends_outer = Mux(by_row, self.held == 1, p.entries == 1)
            m.d.sync += [
                asking.eq(p.source != WeightSource.STREAM),
                direct.eq(by_row),
                outer.eq(0),
                inner.eq(0),
                entries_left.eq(p.entries),
                rows_left.eq(p.rows),
                no_row.eq(0),
                before_last_outer.eq(Mux(by_row, self.held - 2, p.entries - 2)),
                single_inner.eq(ends_inner),
                end_inner.eq(ends_inner),
                single_outer.eq(ends_outer),
                end_outer.eq(ends_outer),
                last_tile.eq(p.tiles == 1),
                start.eq(p.base),
                column.eq(0),
                part.eq(0),
                tile.eq(p.tiles),
            ]
        with m.If(asking & reader.i.ready):
            m.d.sync += [inner.eq(inner + 1), entries_left.eq(entries_left - spec.tokens)]
            following = Mux(direct, entries_left <= 2 * spec.tokens, inner == spec.lanes - 2)
            m.d.sync += end_inner.eq(Mux(end_inner, single_inner, following))
            with m.If(~direct):
                m.d.sync += start.eq(start + d.stride)
            with m.If(end_inner):
                m.d.sync += [inner.eq(0), entries_left.eq(d.entries), outer.eq(outer + 1)]
                last_follows = Mux(end_outer, single_outer, outer == before_last_outer)
                m.d.sync += end_outer.eq(last_follows)
                with m.If(~no_row):
                    m.d.sync += [rows_left.eq(rows_left - 1), no_row.eq(rows_left == 1)]
                with m.If(direct):
                    m.d.sync += start.eq(start + d.stride)
                with m.If(end_outer):
                    m.d.sync += [outer.eq(0), tile.eq(tile - 1), last_tile.eq(tile == 2)]
                    with m.If(~direct):
                        m.d.sync += start.eq(d.base)
                        with m.If(part == spec.word_bytes // self.held - 1):
                            m.d.sync += [part.eq(0), column.eq(column + 1)]
                        with m.Else():
                            m.d.sync += part.eq(part + 1)
                    with m.If(last_tile):
                        m.d.sync += asking.eq(0)

    def _emit(
        self,
        m: Module,
        streamed_words: Any,
        read_words: Any,
        to: Any,
        d: Signal,
        *,
        begin: Signal,
        busy: Signal,
    ) -> None:
        """Loop over entries: tile x row x entry, or tile x entry x row (transposed)."""
        spec = self.spec
        parts = spec.word_bytes // self.held
        tile = Signal(WEIGHT["tiles"].bits)
        row = Signal(range(max(2, spec.rows)))
        entry = Signal(self.entry_bits)
        # Entries and rows but two: the flags of the last ones are made one ahead.
        before_last_entry, before_last_row = Signal.like(entry), Signal.like(row)
        single_entry, single_row = Signal(), Signal()
        channels_left = Signal(WEIGHT["rows"].bits)  # channels from this tile on (transposed)
        part = Signal(range(max(2, parts)))
        transposed, streamed = Signal(), Signal()

        word = Signal(
            data.ArrayLayout(data.ArrayLayout(signed(8), spec.lanes), spec.tokens),
            reset_less=True,
        )
        word_outside = Signal()
        index = Signal(range(max(2, spec.tokens)))  # entry in the word
        end_word = Signal()  # it is the last one
        have = Signal()  # `word` (or the block) is loaded
        block = Signal(
            data.ArrayLayout(data.ArrayLayout(signed(8), self.held), spec.lanes), reset_less=True
        )
        block_outside = Signal(spec.lanes)
        into = Signal(range(max(2, spec.lanes)))

        end_row, end_entry, end_tile, last_tile = Signal(), Signal(), Signal(), Signal()
        sent = Signal()
        spent = Signal()  # this entry is the last one of the word (or block)
        refill = Signal()  # a new word may be loaded as it leaves; registered, made one ahead
        out = to.payload
        m.d.comb += [
            to.valid.eq(busy & have),
            sent.eq(to.valid & to.ready),
            end_tile.eq(end_row & end_entry),
            spent.eq(
                Mux(
                    transposed,
                    end_row,
                    end_word | (~streamed & end_entry) | (streamed & bool(spec.classes)),
                )
            ),
            out.row.eq(row),
            out.entry.eq(entry),
            out.last.eq(end_tile),
            out.short.eq(0 if self.held == spec.rows else ~streamed),
            self.unit.done.eq(sent & end_tile & last_tile),
        ]
        for lane in range(spec.lanes):
            valid = ~end_entry | (lane < d.last_lanes)
            # With row classes the bias accounts for zero points.
            zero = 0 if spec.classes else d.zero
            plain = Mux(valid & ~word_outside, word[index][lane] - zero, 0)
            turned = Mux(block_outside[lane] | (row >= channels_left), 0, block[lane][row] - zero)
            if not spec.classes:
                turned = Mux(transposed, turned, Mux(streamed, word[index][lane], plain))
                m.d.comb += out["values"][lane].eq(turned)
                continue
            # The place in the word depends on the row: copy a single row's entry to all places.
            size = spec.classes[0].slot
            for at in range(0, len(out.word), spec.lanes * size):
                here = slice(at + lane * size, at + (lane + 1) * size)
                held = Mux(transposed, turned, plain)[:size]
                m.d.comb += out.word[here].eq(Mux(streamed, word.as_value()[here], held))
        if spec.classes:
            m.d.comb += out.group.eq(streamed)
        # A new word may be loaded in the cycle in which the old one's last entry leaves; a
        # transposed block may not, since `part` still belongs to the old tile.
        room = Signal()
        m.d.comb += [
            room.eq(busy & (~have | (to.ready & refill))),
            streamed_words.ready.eq(room & streamed),
            read_words.ready.eq(room & ~streamed),
        ]
        # What the flags are when another entry, row, or tile has left.
        word_ends = Mux(spent, spec.tokens == 1, index == spec.tokens - 2)
        entry_ends = Mux(end_entry, single_entry, entry == before_last_entry)
        row_ends = Mux(end_row, single_row, row == before_last_row)
        tile_ends = Mux(end_tile, tile == 2, last_tile)
        with m.If(sent):
            with m.If(spent):
                m.d.sync += have.eq(0)
            m.d.sync += [
                index.eq(Mux(spent, 0, index + 1)),
                end_word.eq(word_ends),
                refill.eq(
                    ~transposed
                    & (word_ends | Mux(streamed, bool(spec.classes), entry_ends))
                    & ~(entry_ends & Mux(end_entry, row_ends, end_row) & tile_ends)
                ),
            ]
            with m.If(~transposed | end_row):
                m.d.sync += [entry.eq(Mux(end_entry, 0, entry + 1)), end_entry.eq(entry_ends)]
            with m.If(transposed | end_entry):
                m.d.sync += [row.eq(Mux(end_row, 0, row + 1)), end_row.eq(row_ends)]
            with m.If(end_tile):
                m.d.sync += [
                    tile.eq(tile - 1),
                    last_tile.eq(tile == 2),
                    channels_left.eq(Mux(channels_left > self.held, channels_left - self.held, 0)),
                ]
        with m.If(streamed_words.valid & streamed_words.ready):
            m.d.sync += [word.as_value().eq(streamed_words.payload), word_outside.eq(0), have.eq(1)]
        with m.If(read_words.valid & read_words.ready):
            with m.If(transposed):
                chunks = data.ArrayLayout(data.ArrayLayout(signed(8), self.held), parts)
                chunk = data.View(chunks, read_words.payload.word)[part]
                for lane in range(spec.lanes):
                    with m.If(into == lane):
                        m.d.sync += [
                            block[lane].eq(chunk),
                            block_outside[lane].eq(read_words.payload.meta.outside),
                        ]
                with m.If(into == spec.lanes - 1):
                    m.d.sync += [into.eq(0), have.eq(1)]
                with m.Else():
                    m.d.sync += into.eq(into + 1)
            with m.Else():
                m.d.sync += [
                    word.as_value().eq(read_words.payload.word),
                    word_outside.eq(read_words.payload.meta.outside),
                    have.eq(1),
                ]
        with m.If(sent & end_tile):
            m.d.sync += part.eq(Mux(part == parts - 1, 0, part + 1))
        with m.If(begin):
            p = self.unit.descriptor.payload
            rows = row_groups(spec) or spec.rows
            stream_begins = p.source == WeightSource.STREAM
            ends_row = Mux(stream_begins, rows == 1, self.held == 1)
            first_spends = Mux(stream_begins, bool(spec.classes), p.entries == 1)
            m.d.sync += [
                streamed.eq(stream_begins),
                transposed.eq(p.source == WeightSource.TRANSPOSED),
                tile.eq(p.tiles),
                last_tile.eq(p.tiles == 1),
                row.eq(0),
                entry.eq(0),
                before_last_row.eq(Mux(stream_begins, rows - 2, self.held - 2)),
                single_row.eq(ends_row),
                end_row.eq(ends_row),
                before_last_entry.eq(p.entries - 2),
                single_entry.eq(p.entries == 1),
                end_entry.eq(p.entries == 1),
                refill.eq(
                    (p.source != WeightSource.TRANSPOSED)
                    & ((spec.tokens == 1) | first_spends)
                    & ~(ends_row & (p.entries == 1) & (p.tiles == 1))
                ),
                channels_left.eq(p.rows),
                part.eq(0),
                index.eq(0),
                end_word.eq(spec.tokens == 1),
                into.eq(0),
                have.eq(0),
            ]
