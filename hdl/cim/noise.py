"""Noise of conversion steps: the hash of :mod:`models.cim.noise` over column, conversion, run."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.shape import MacroShape
from hdl.cim.sums import delayed
from models.cim.noise import FINISH, FINISH_SHIFTS

ROUNDS = ((16, 0x7FEB352D), (15, 0x846CA68B))
"""Shift and factor of the two rounds of ``mix``."""
FINAL_SHIFT = 16

SHARED_LATENCY = 6
COLUMN_LATENCY = 5


class SharedNoise(Component):
    """The part of the hash that all columns share: one pipelined ``mix``.

    Latency six cycles (word, factors, products, sum, and again products, sum), throughput one word
    per cycle. A word is recomputed for each of its bytes, so that nothing is stored and the
    pipeline never stalls.

    Attributes
    ----------
    number, word : in
        Number of the conversion, and of the word of noise within it.
    seed, new_run : in
        In a cycle with ``new_run``, ``mix(seed)`` is computed instead and becomes the run's key,
        for numbers from seven cycles later on.
    shared : out
        Hash of conversion and word, six cycles later.
    """

    def __init__(self) -> None:
        super().__init__(
            {"number": In(32), "word": In(2), "seed": In(32), "new_run": In(1), "shared": Out(32)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        key = Signal(32)
        new_run = Signal(SHARED_LATENCY)
        m.d.sync += new_run.eq(new_run << 1 | self.new_run)
        counter = Cat(self.word, self.number[:30])
        begin = Signal(32, reset_less=True)
        m.d.sync += begin.eq(Mux(self.new_run, self.seed, key ^ counter))
        value: Value = begin
        for number, (shift, factor) in enumerate(ROUNDS):
            mixed = Signal(32, name=f"mixed{number}", reset_less=True)
            m.d.sync += mixed.eq(value ^ (value >> shift))
            value = _product(m, mixed, factor, f"product{number}")
        m.d.sync += self.shared.eq(value ^ (value >> FINAL_SHIFT))
        with m.If(new_run[-1]):
            m.d.sync += key.eq(self.shared)
        return m


def _product(m: Module, value: Value, factor: int, name: str) -> Value:
    """Multiply by a constant, low 32 bits: three products of halves in a register, then a sum.

    A product of 32 bits takes several DSP slices, which in one cycle are too slow.
    """
    half = 16
    parts = ((0, 0, 32), (half, 0, half), (0, half, half))
    products = []
    for left, right, bits in parts:
        product = Signal(bits, name=f"{name}_{left}_{right}", reset_less=True)
        m.d.sync += product.eq(value[left : left + half] * (factor >> right & (1 << half) - 1))
        products.append(product)
    low, *cross = products
    upper = (low[half:] + cross[0] + cross[1])[:half]
    return Cat(low[:half], upper)


class ColumnNoise(Component):
    """A column's last rounds of the hash, and its noise tables.

    Latency five cycles from ``shared`` and ``byte`` (key, two products, table, its output),
    throughput one value per cycle. Each of the two factors has three bits set, so the two products
    cost four additions.

    Attributes
    ----------
    shared, key, byte, sampling : in
        Shared word, the column's key, number of the byte, and selection of the sampling table.
    table, entry, write : in
        Write port of the tables: one entry; not if they are ``fixed``.
    value : out
        Noise in units of ``2**-F`` count.
    """

    def __init__(self, shape: MacroShape, init: list[int], *, fixed: bool = False) -> None:
        self.bits = shape.noise_bits
        self.init, self.fixed = init, fixed
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
        if self.fixed and not any(self.init):
            return m  # a die without noise: the value stays at 0
        keyed, first, second = (
            Signal(32, name=name, reset_less=True) for name in ("keyed", "first", "second")
        )
        late = COLUMN_LATENCY - 2
        byte = delayed(m, self.byte, late, "byte", data=True)
        sampling = delayed(m, self.sampling, late, "sampling", data=True)
        m.d.sync += [
            keyed.eq(self.shared ^ self.key),
            first.eq(times(keyed, FINISH[0])),
            second.eq(times(first ^ (first >> FINISH_SHIFTS[0]), FINISH[1])),
        ]
        word = Signal(32)
        m.d.comb += word.eq(second ^ (second >> FINISH_SHIFTS[1]))
        m.submodules.tables = tables = Memory(shape=signed(self.bits), depth=512, init=self.init)
        reader = tables.read_port()
        if not self.fixed:
            writer = tables.write_port()
            m.d.comb += [
                writer.addr.eq(self.table),
                writer.data.eq(self.entry),
                writer.en.eq(self.write),
            ]
        m.d.comb += [
            reader.addr[:8].eq(word.word_select(byte, 8)),
            reader.addr[8].eq(sampling),
        ]
        m.d.sync += self.value.eq(reader.data)
        return m


def times(value: Value, factor: int) -> Value:
    """Multiply by a constant with few bits set, by additions; the low 32 bits."""
    terms = [(value << shift)[:32] for shift in range(32) if factor >> shift & 1]
    total = terms[0]
    for term in terms[1:]:
        total = (total + term)[:32]
    return total
