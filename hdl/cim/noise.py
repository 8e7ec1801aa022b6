"""Noise of conversion steps: the hash of :mod:`models.cim.noise` over column, conversion, run."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.shape import MacroShape
from models.cim.noise import FINISH, FINISH_SHIFTS

ROUNDS = ((16, 0x7FEB352D), (15, 0x846CA68B))
"""Shift and factor of the two rounds of ``mix``."""
FINAL_SHIFT = 16

SHARED_LATENCY = 3
COLUMN_LATENCY = 3


class SharedNoise(Component):
    """The part of the hash that all columns share: one pipelined ``mix``.

    Latency three cycles, throughput one word per cycle. A word is recomputed for each of its
    bytes, so that nothing is stored and the pipeline never stalls.

    Attributes
    ----------
    number, word : in
        Number of the conversion, and of the word of noise within it.
    seed, new_run : in
        In a cycle with ``new_run``, ``mix(seed)`` is computed instead and becomes the run's key,
        for numbers from four cycles later on.
    shared : out
        Hash of conversion and word, three cycles later.
    """

    def __init__(self) -> None:
        super().__init__(
            {"number": In(32), "word": In(2), "seed": In(32), "new_run": In(1), "shared": Out(32)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        key, mixed = Signal(32), Signal(32)
        stages = [Signal(32, name=f"stage{i}") for i in range(3)]
        new_run = Signal(3)
        m.d.sync += new_run.eq(new_run << 1 | self.new_run)
        counter = Signal(32)
        m.d.comb += counter.eq((self.number << 2) + self.word)
        with m.If(self.new_run):
            m.d.sync += stages[0].eq(self.seed)
        with m.Else():
            m.d.sync += stages[0].eq(key ^ counter)
        for (shift, factor), before, after in zip(ROUNDS, stages, stages[1:], strict=False):
            m.d.sync += after.eq((before ^ (before >> shift)) * factor)
        m.d.comb += [
            mixed.eq(stages[2] ^ (stages[2] >> FINAL_SHIFT)),
            self.shared.eq(mixed),
        ]
        with m.If(new_run[2]):
            m.d.sync += key.eq(mixed)
        return m


class ColumnNoise(Component):
    """A column's last rounds of the hash, and its noise tables.

    Latency three cycles from ``shared`` and ``byte``, throughput one value per cycle. Each of the
    two factors has three bits set, so the two products cost four additions.

    Attributes
    ----------
    shared, key, byte, sampling : in
        Shared word, the column's key, number of the byte, and selection of the sampling table.
    table, entry, write : in
        Write port of the tables: one entry.
    value : out
        Noise in units of ``2**-F`` count.
    """

    def __init__(self, shape: MacroShape, init: list[int]) -> None:
        self.bits = shape.noise_bits
        self.init = init
        super().__init__(
            {
                "shared": In(32),
                "key": In(32),
                "byte": In(2),
                "sampling": In(1),
                "table": In(9),
                "entry": In(signed(self.bits)),
                "write": In(1),
                "value": Out(signed(self.bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, second = Signal(32), Signal(32)
        byte = [Signal(2, name=f"byte{i}") for i in range(2)]
        sampling = Signal(2)
        m.d.sync += [
            first.eq(times(self.shared ^ self.key, FINISH[0])),
            second.eq(times(first ^ (first >> FINISH_SHIFTS[0]), FINISH[1])),
            byte[0].eq(self.byte),
            byte[1].eq(byte[0]),
            sampling.eq(sampling << 1 | self.sampling),
        ]
        word = Signal(32)
        m.d.comb += word.eq(second ^ (second >> FINISH_SHIFTS[1]))
        m.submodules.tables = tables = Memory(shape=signed(self.bits), depth=512, init=self.init)
        reader, writer = tables.read_port(), tables.write_port()
        m.d.comb += [
            reader.addr[:8].eq(word.word_select(byte[1], 8)),
            reader.addr[8].eq(sampling[1]),
            self.value.eq(reader.data),
            writer.addr.eq(self.table),
            writer.data.eq(self.entry),
            writer.en.eq(self.write),
        ]
        return m


def times(value: Value, factor: int) -> Value:
    """Multiply by a constant with few bits set, by additions; the low 32 bits."""
    terms = [(value << shift)[:32] for shift in range(32) if factor >> shift & 1]
    total = terms[0]
    for term in terms[1:]:
        total = (total + term)[:32]
    return total
