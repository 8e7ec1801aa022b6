"""Row scalars: computes a row's mean and its row function's value from the row's sums."""

from __future__ import annotations

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.descriptors import struct
from hdl.units.load_unit import TABLE_WRITE
from models.machine.spec import MachineSpec
from models.ops.row_function import INDEX_BITS, VALUE_BITS
from models.program.layout import ROW_ENTRIES, VECTOR, VectorOp

FUNCTION_STATES = ("OFFSET", "CLAMP", "LENGTH", "POINT", "DOWN", "INDEX", "READ")
"""Steps of the row function, one cycle each; its result comes in the cycle after them."""


def sums_layout(spec: MachineSpec) -> data.StructLayout:
    """Sums of a finished row: its number in the row group, sum, and sum of squares."""
    return data.StructLayout(
        {
            "row": max(1, (spec.row_group - 1).bit_length()),
            "total": signed(32),
            "squares": signed(VALUE_BITS + 1),
        }
    )


class RowScalar(Component):
    """Mean and row function (``models.ops.row_function``) of one row after the other.

    Throughput one row per ``NORM_CYCLES`` or ``SOFTMAX_CYCLES`` cycles, latency ``NORM_SCALARS`` or
    ``SOFTMAX_SCALARS`` (:mod:`models.cost.pipelines`), more if an earlier row is in progress.

    The variance is ``squares - mean * (2 * total - channels * mean)``: exact after one pass over
    the row, although ``mean`` is rounded.

    Attributes
    ----------
    i : stream of :func:`sums_layout`
    o_valid, o_row, o_mean, o_entry, o_shift : out
        The result, valid for one cycle.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "config": In(struct(VECTOR)),
                "i": In(stream.Signature(sums_layout(spec))),
                "o_valid": Out(1),
                "o_row": Out(max(1, (spec.row_group - 1).bit_length())),
                "o_mean": Out(signed(18)),
                "o_entry": Out(17),
                "o_shift": Out(6),
                "table": In(TABLE_WRITE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self.config
        memory = Memory(shape=16, depth=ROW_ENTRIES, init=[])
        m.submodules.table = memory
        reader, writer = memory.read_port(), memory.write_port()
        m.d.comb += [
            writer.en.eq(self.table.row),
            writer.addr.eq(self.table.entry),
            writer.data.eq(self.table.value),
        ]
        total = Signal(signed(32))
        squares = Signal(signed(VALUE_BITS + 1))
        left, right = Signal(signed(32)), Signal(signed(18))
        product = Signal(signed(50))
        variance, value = Signal(signed(VALUE_BITS + 1)), Signal(signed(VALUE_BITS + 1))
        row, own_mean = Signal(self.o_row.shape()), Signal(signed(18))
        free, hand = Signal(), Signal()
        # The shift of the mean is in two steps: by sixteens behind the sum, the rest a cycle later.
        half, rounded = Signal(40), Signal(signed(18 + 15))
        coarse, fine = Cat(Const(0, 4), c.mean_shift[4:]), c.mean_shift[:4]
        m.d.sync += product.eq(left * right)

        found = self._index(m, value)
        m.d.comb += [reader.addr.eq(found["index"]), self.o_shift.eq(found["shift"]),
                     self.o_entry.eq(reader.data)]  # fmt: skip
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [
                        row.eq(self.i.payload.row),
                        total.eq(self.i.payload.total),
                        squares.eq(self.i.payload.squares),
                        left.eq(self.i.payload.total),
                        right.eq(c.mean_multiplier),
                    ]
                    with m.If(c.op == VectorOp.SOFTMAX):
                        m.d.sync += variance.eq(self.i.payload.total)
                        m.next = "HAND ON"
                    with m.Else():
                        m.next = "TIMES_RECIPROCAL"
            with m.State("TIMES_RECIPROCAL"):
                m.d.sync += half.eq(Const(1 << 40, 41) >> (41 - c.mean_shift)[:6])
                m.next = "ROUND"
            with m.State("ROUND"):
                m.d.sync += rounded.eq((product + half) >> coarse)
                m.next = "MEAN"
            with m.State("MEAN"):
                mean = Signal(signed(18))
                m.d.comb += mean.eq(rounded >> fine)
                m.d.sync += [own_mean.eq(mean), left.eq(c.channels), right.eq(mean)]
                m.next = "TIMES_CHANNELS"
            with m.State("TIMES_CHANNELS"):
                m.next = "DOUBLE"
            with m.State("DOUBLE"):
                m.d.sync += [left.eq((total << 1) - product), right.eq(own_mean)]
                m.next = "TIMES_MEAN"
            with m.State("TIMES_MEAN"):
                m.next = "VARIANCE"
            with m.State("VARIANCE"):
                m.d.sync += variance.eq(squares - product)
                m.next = "HAND ON"
            with m.State("HAND ON"):
                with m.If(free):
                    m.d.comb += hand.eq(1)
                    m.d.sync += [value.eq(variance), self.o_row.eq(row), self.o_mean.eq(own_mean)]
                    m.next = "IDLE"
        # Pipelined with the FSM above: the function of one row overlaps the sums of the next. Its
        # registers have no enable: `value` stays as it is until the result is there.
        with m.FSM():
            with m.State("FREE"):
                m.d.comb += free.eq(1)
                with m.If(hand):
                    m.next = FUNCTION_STATES[0]
            for state, following in pairwise([*FUNCTION_STATES, "RESULT"]):
                with m.State(state):
                    m.next = following
            with m.State("RESULT"):
                m.d.comb += [self.o_valid.eq(1), free.eq(1)]
                m.next = "FREE"
                with m.If(hand):
                    m.next = FUNCTION_STATES[0]
        return m

    def _index(self, m: Module, value: Signal) -> dict[str, Signal]:
        """Build both manners of an index, a register for each step; states wait for them.

        Linear: shift, clamp, base. Floating: the ten leading bits below the point.
        """
        c = self.config
        wide = signed(VALUE_BITS + 2)
        near, far = Signal(wide), Signal(wide)
        m.d.sync += [near.eq(value + c.row_offset), far.eq(value + c.row2_offset)]

        cursor, cursor2 = Signal(wide), Signal(wide)
        first, second = Signal(range(ROW_ENTRIES)), Signal(range(ROW_ENTRIES))
        beyond = Signal()
        base2 = Signal(range(ROW_ENTRIES))
        m.d.sync += [
            cursor.eq(near >> c.row_shift),
            cursor2.eq(far >> c.row2_shift),
            first.eq(_clamped(cursor, c.row_last)),
            second.eq(_clamped(cursor2, c.row2_last)),
            beyond.eq(c.row_two & (cursor > c.row_last)),
            base2.eq(c.row_base + c.row2_base),
        ]

        shifted = Signal(VALUE_BITS)
        length, point = Signal(range(VALUE_BITS + 1)), Signal(range(VALUE_BITS + 2))
        down, up = Signal(range(VALUE_BITS)), Signal(range(INDEX_BITS + 1))
        leading = Signal(VALUE_BITS)
        here = Signal.like(point)
        m.d.comb += here.eq(Mux(c.row_even, length + length[0], length))
        m.d.sync += [
            shifted.eq(Mux(near < 0, 0, Mux(near >> VALUE_BITS != 0, ~0, near))),
            length.eq(_length(m, shifted)),
            point.eq(here),
            down.eq(Mux(here > INDEX_BITS, here - INDEX_BITS, 0)),
            up.eq(Mux(here < INDEX_BITS, INDEX_BITS - here, 0)),
            leading.eq(shifted >> down),
        ]
        fraction = Signal(INDEX_BITS)
        m.d.comb += fraction.eq(leading[:INDEX_BITS] << up)
        index, shift = Signal(range(ROW_ENTRIES)), Signal(6)
        with m.If(c.row_floating):
            m.d.sync += [
                index.eq(c.row_base + fraction),
                shift.eq(c.row_out_shift + Mux(c.row_even, point >> 1, point)),
            ]
        with m.Elif(beyond):
            m.d.sync += [index.eq(base2 + second), shift.eq(c.row2_out_shift)]
        with m.Else():
            m.d.sync += [index.eq(c.row_base + first), shift.eq(c.row_out_shift)]
        return {"index": index, "shift": shift}


def _clamped(cursor: Signal, last: Value) -> Value:
    return Mux(cursor < 0, 0, Mux(cursor > last, last, cursor))


def _length(m: Module, number: Signal) -> Value:
    """Return a number's bits without leading zeros: groups of eight, each with its own length."""
    lengths: list[Value] = []
    for start in range(0, len(number), 8):
        own = Signal(range(len(number) + 1), name=f"length{start}")
        for bit in range(start, min(start + 8, len(number))):
            with m.If(number[bit]):
                m.d.comb += own.eq(bit + 1)
        lengths.append(own)
    while len(lengths) > 1:
        pairs = zip(lengths[::2], lengths[1::2], strict=False)
        merged = [Mux(high.any(), high, low) for low, high in pairs]
        lengths = merged + lengths[len(lengths) & ~1 :]
    return lengths[0]
