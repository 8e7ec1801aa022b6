"""Weight store of a digital engine: two banks, one in use while the other is filled."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.engine.contract import weights_layout
from models.machine.spec import MachineSpec


class WeightStore(Component):
    """One memory per row: ``lanes`` weights wide, two tiles deep.

    A cycle writes an entry of one row, or of all rows that share a word of the stream.

    Latency from ``entry`` (with ``enable``) to ``rows`` is one cycle, throughput one entry of
    every row per cycle.

    Attributes
    ----------
    i_weights : stream
        Entries of the next tile, in any order; waits while both banks are full.
    full, short : out
        The tile in use is complete; it has only ``dynamic_rows`` rows.
    ready : out
        The tile in use in the next cycle is complete.
    entry, enable : in
        Read this entry of every row.
    release : in
        Free the tile in use.
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
                "entry": In(range(spec.depth_entries)),
                "enable": In(1),
                "release": In(1),
                "rows": Out(rows),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        full = Signal(2)
        short = Signal(2)
        fill, use = Signal(), Signal()
        stored, space = Signal(), Signal(init=1)
        # Registered: the weight unit's loops follow from it.
        m.d.sync += space.eq(~full.bit_select(fill ^ stored, 1))
        m.d.comb += [
            self.i_weights.ready.eq(space),
            self.full.eq(full.bit_select(use, 1)),
            self.ready.eq(full.bit_select(use ^ self.release, 1)),
            self.short.eq(short.bit_select(use, 1)),
            stored.eq(self.i_weights.valid & self.i_weights.ready & self.i_weights.payload.last),
        ]
        for bank in range(2):
            with m.If(stored & (fill == bank)):
                m.d.sync += [full[bank].eq(1), short[bank].eq(self.i_weights.payload.short)]
            with m.Elif(self.release & (use == bank)):
                m.d.sync += full[bank].eq(0)
        m.d.sync += [fill.eq(fill ^ stored), use.eq(use ^ self.release)]
        spec, beat = self.spec, self.i_weights.payload
        taken = self.i_weights.valid & self.i_weights.ready
        if not spec.classes:
            for row in range(spec.rows):
                entry = [beat["values"][lane] for lane in range(spec.lanes)]
                self._row(m, row, entry, taken & (beat.row == row), fill=fill, use=use)
            return m
        row = group = 0
        for kind in spec.classes:
            together = kind.rows_per_word(spec.tokens)
            for inner in range(kind.rows):
                at = inner % together * spec.lanes * kind.slot
                chunk = beat.word[at : at + spec.lanes * kind.slot]
                entry = [
                    chunk.word_select(n, kind.slot)[: kind.book.bits] for n in range(spec.lanes)
                ]
                mine = Mux(beat.group, beat.row == group + inner // together, beat.row == row)
                self._row(m, row, entry, taken & mine, fill=fill, use=use)
                row += 1
            group += -(-kind.rows // together)
        return m

    def _row(
        self, m: Module, row: int, entry: list[Value], write: Value, *, fill: Signal, use: Signal
    ) -> None:
        spec = self.spec
        inner = max(1, (spec.depth_entries - 1).bit_length())
        width = len(entry[0])
        memory = Memory(shape=width * spec.lanes, depth=2 << inner, init=[])
        m.submodules[f"weights{row}"] = memory
        writer, reader = memory.write_port(), memory.read_port()
        k = self.entry
        m.d.comb += [
            writer.addr.eq(Cat(self.i_weights.payload.entry, fill)),
            writer.data.eq(Cat(entry)),
            writer.en.eq(write),
            reader.addr.eq(Cat(k, use) if inner == len(k) else Cat(k, 0, use)),
            reader.en.eq(self.enable),
        ]
        for lane in range(spec.lanes):
            m.d.comb += self.rows[row][lane].eq(reader.data.word_select(lane, width))
