"""Row order: maps the results of a vector beat to a word and the columns in it."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.units.load_unit import OrderWrite
from models.machine.spec import MachineSpec
from models.program.layout import ORDER_LANE_BITS, ORDER_WORD_BITS, SUM_BITS


class RowOrder(Component):
    """Looks up a beat's entry of the row order, two cycles ahead of its results.

    Latency from ``entry`` to ``lane`` and ``enable`` is two cycles, from ``row`` to ``address``
    one; throughput one beat per cycle.

    Attributes
    ----------
    write : in
        Write port of the entries.
    entry : in
        Entry of the beat whose results arrive in two cycles.
    row : in
        First scratchpad word of the tensor row of the beat whose results arrive in one cycle.
    address : out
        Destination word of the results.
    lane, enable : out
        For each column of the word: number of the lane to take, and write enable.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        lane = max(1, (spec.vector_lanes - 1).bit_length())
        if lane > ORDER_LANE_BITS:
            raise ValueError(
                f"vector_lanes must be at most {1 << ORDER_LANE_BITS} with several row classes, "
                f"not {spec.vector_lanes}"
            )
        super().__init__(
            {
                "write": In(OrderWrite(spec)),
                "entry": In(range(spec.param_entries)),
                "row": In(SUM_BITS),
                "address": Out(SUM_BITS),
                "lane": Out(data.ArrayLayout(lane, spec.word_bytes)),
                "enable": Out(spec.word_bytes),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        columns = self.spec.word_bytes
        bits = len(self.lane[0])
        words = [self.write.value.word_select(column, 8) for column in range(columns)]
        number = Cat(word[6:8] for word in words[: ORDER_WORD_BITS // 2])
        entry = data.StructLayout(
            {
                "lane": data.ArrayLayout(bits, columns),
                "enable": columns,
                "word": len(number),
            }
        )
        memory = Memory(shape=entry, depth=self.spec.param_entries, init=[])
        m.submodules.memory = memory
        writer, reader = memory.write_port(), memory.read_port()
        m.d.comb += [
            writer.en.eq(self.write.enable),
            writer.addr.eq(self.write.entry),
            writer.data.enable.eq(Cat(word[ORDER_LANE_BITS] for word in words)),
            writer.data.word.eq(number),
            reader.addr.eq(self.entry),
        ]
        for column, word in enumerate(words):
            m.d.comb += writer.data.lane[column].eq(word[:bits])
        m.d.sync += [
            self.lane.eq(reader.data.lane),
            self.enable.eq(reader.data.enable),
            self.address.eq(self.row + reader.data.word),
        ]
        return m


def scattered(m: Module, order: RowOrder, results: list[Signal], wide: Signal) -> Signal:
    """Select the bytes of a word from a beat's results.

    With 16-bit results an even column takes the low byte, an odd column the high byte.
    """
    spec = order.spec
    low = data.ArrayLayout(8, 1 << len(order.lane[0]))
    lows, highs = Signal(low), Signal(low)
    for index, result in enumerate(results):
        m.d.comb += [lows[index].eq(result[:8]), highs[index].eq(result[8:16])]
    word = Signal(8 * spec.word_bytes)
    for column in range(spec.word_bytes):
        part = word.word_select(column, 8)
        m.d.comb += part.eq(lows[order.lane[column]])
        if column % 2:
            with m.If(wide):
                m.d.comb += part.eq(highs[order.lane[column]])
    return word
