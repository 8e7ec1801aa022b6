"""Weight store of a digital engine: a ring of tiles, of which the oldest one is in use."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.engine.contract import weights_layout
from models.machine.spec import MachineSpec

TILES = 16
"""Complete tiles that the ring can hold at most, however short they are."""


class WeightStore(Component):
    """One memory per row: ``lanes`` weights wide, twice as deep as the longest tile.

    Tiles lie one behind the other, each as long as it is, so that short ones run far ahead of the
    array. A cycle writes an entry of one row, or of all rows that share a word of the stream.

    Latency from ``step`` (with ``enable``) to ``rows`` is one cycle, throughput one entry of
    every row per cycle.

    Attributes
    ----------
    i_weights : stream
        Entries of the next tile: of each row in ascending order, from 0. Waits while the ring has
        no room for another entry, or holds :data:`TILES` tiles but one.
    full, short : out
        The tile in use is complete; it has only ``dynamic_rows`` rows.
    ready : out
        The tile in use in the next cycle is complete.
    step, last, release : in
        The current entry has been read; it ends the K loop, so that the tile's first entry is
        next; the tile in use is freed (``step`` and ``last`` with it).
    enable : in
        Read the current entry of every row.
    rows : out
        ``[rows][lanes]`` weights; narrower ones in the lowest bits.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        width = spec.weight_width
        rows = data.ArrayLayout(data.ArrayLayout(width, spec.lanes), spec.rows)
        super().__init__(
            {
                "i_weights": In(stream.Signature(weights_layout(spec))),
                "full": Out(1),
                "ready": Out(1),
                "short": Out(1),
                "step": In(1),
                "last": In(1),
                "release": In(1),
                "enable": In(1),
                "rows": Out(rows),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inner = max(1, (self.spec.depth_entries - 1).bit_length())
        place = range(2 << inner)
        length = range((1 << inner) + 1)
        tiles = Memory(
            shape=data.StructLayout({"length": length, "short": 1}), depth=TILES, init=[]
        )
        m.submodules.tiles = tiles
        writer, head = tiles.write_port(), tiles.read_port(domain="comb")
        count = Signal(range(TILES + 1))  # complete tiles
        stored, taken, space = Signal(), Signal(), Signal(init=1)
        # Where the tile that is written begins, and how many of its entries the first row has.
        begin, reach = Signal(place), Signal(length)
        # Entries that no complete tile has. Those of a tile that is freed count a cycle later.
        free, freed = Signal(range((2 << inner) + 1), init=2 << inner), Signal(length)
        used = Signal(length)
        further = Signal()
        beat = self.i_weights.payload
        m.d.comb += [
            taken.eq(self.i_weights.valid & space),
            self.i_weights.ready.eq(space),
            stored.eq(taken & beat.last),
            used.eq(beat.entry + 1),
            further.eq(taken & (beat.entry == reach)),
            writer.data.length.eq(used),
            writer.data.short.eq(beat.short),
            writer.en.eq(stored),
            self.full.eq(count != 0),
            self.ready.eq(Mux(self.release, count > 1, count != 0)),
            self.short.eq(head.data.short),
        ]
        # The entry of the next item is at most the first one that no row has. Registered: the
        # weight unit's loops follow from it.
        m.d.sync += [
            space.eq(Mux(further, reach + 1 < free, reach < free) & (count < TILES - 1)),
            freed.eq(Mux(self.release, head.data.length, 0)),
            free.eq(free - Mux(stored, used, 0) + freed),
            count.eq(count + stored - self.release),
        ]
        with m.If(stored):
            m.d.sync += [reach.eq(0), begin.eq(begin + used), writer.addr.eq(writer.addr + 1)]
        with m.Elif(further):
            m.d.sync += reach.eq(reach + 1)
        # Where the tile in use begins, where the one behind it does, and the current entry.
        first, behind, at = Signal(place), Signal(place), Signal(place)
        m.d.comb += behind.eq(first + head.data.length)
        with m.If(self.step):
            m.d.sync += at.eq(Mux(self.last, Mux(self.release, behind, first), at + 1))
        with m.If(self.release):
            m.d.sync += [first.eq(behind), head.addr.eq(head.addr + 1)]
        self._fill(m, begin, at, taken)
        return m

    def _fill(self, m: Module, begin: Signal, at: Signal, taken: Signal) -> None:
        """Build the memories of all rows."""
        spec, beat = self.spec, self.i_weights.payload
        place = Signal.like(begin)
        m.d.comb += place.eq(begin + beat.entry)
        if not spec.classes:
            for row in range(spec.rows):
                entry = [beat["values"][lane] for lane in range(spec.lanes)]
                self._row(m, row, entry, taken & (beat.row == row), place=place, at=at)
            return
        row = group = 0
        for kind in spec.classes:
            together = kind.rows_per_word(spec.tokens)
            for inner in range(kind.rows):
                low = inner % together * spec.lanes * kind.slot
                chunk = beat.word[low : low + spec.lanes * kind.slot]
                entry = [
                    chunk.word_select(n, kind.slot)[: kind.book.bits] for n in range(spec.lanes)
                ]
                mine = Mux(beat.group, beat.row == group + inner // together, beat.row == row)
                self._row(m, row, entry, taken & mine, place=place, at=at)
                row += 1
            group += -(-kind.rows // together)

    def _row(
        self, m: Module, row: int, entry: list[Value], write: Value, *, place: Signal, at: Signal
    ) -> None:
        width = len(entry[0])
        memory = Memory(shape=width * self.spec.lanes, depth=1 << len(at), init=[])
        m.submodules[f"weights{row}"] = memory
        writer, reader = memory.write_port(), memory.read_port()
        m.d.comb += [
            writer.addr.eq(place),
            writer.data.eq(Cat(entry)),
            writer.en.eq(write),
            reader.addr.eq(at),
            reader.en.eq(self.enable),
        ]
        for lane in range(self.spec.lanes):
            m.d.comb += self.rows[row][lane].eq(reader.data.word_select(lane, width))
