"""Row scalars: computes a row's mean and its row function's value from the row's sums."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.descriptors import struct
from hdl.units.load_unit import TABLE_WRITE
from models.machine.spec import MachineSpec
from models.ops.row_function import INDEX_BITS, VALUE_BITS
from models.program.layout import ROW_ENTRIES, VECTOR, VectorOp


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

    Throughput one row per nine cycles (layer norm) or eight cycles (softmax); latency 15 or 8
    cycles, more if an earlier row is in progress.

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
        half, rounded = Signal(40), Signal(signed(51))
        m.d.sync += product.eq(left * right)

        index_parts = self._index(m, reader, value)
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
                m.d.sync += rounded.eq(product + half)
                m.next = "MEAN"
            with m.State("MEAN"):
                mean = Signal(signed(18))
                m.d.comb += mean.eq(rounded >> c.mean_shift)
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
        # Pipelined with the FSM above: the function of one row overlaps the sums of the next.
        with m.FSM():
            with m.State("FREE"):
                m.d.comb += free.eq(1)
                with m.If(hand):
                    m.next = "OFFSET"
            self._function(m, reader, value, index_parts)
        return m

    def _index(self, m: Module, reader: Any, value: Signal) -> dict[str, Signal]:
        """Return a floating-point table index: the ten leading bits below the point."""
        c = self.config
        near, far = Signal(signed(VALUE_BITS + 2)), Signal(signed(VALUE_BITS + 2))
        index = Signal(range(ROW_ENTRIES))
        shift = Signal(6)
        shifted = Signal(VALUE_BITS)
        length = Signal(range(VALUE_BITS + 1))
        point = Signal(range(VALUE_BITS + 2))
        # One register per step; the states after OFFSET wait for these registers.
        m.d.sync += [
            shifted.eq(Mux(near < 0, 0, Mux(near >> VALUE_BITS != 0, ~0, near))),
            point.eq(Mux(c.row_even, length + length[0], length)),
        ]
        for bit in range(VALUE_BITS):
            with m.If(shifted[bit]):
                m.d.comb += length.eq(bit + 1)
        down = Signal(VALUE_BITS)
        up = Signal(2 * INDEX_BITS)
        m.d.sync += down.eq(shifted >> Mux(point > INDEX_BITS, point - INDEX_BITS, 0)[:6])
        m.d.comb += [
            up.eq(down[:INDEX_BITS] << Mux(point < INDEX_BITS, INDEX_BITS - point, 0)[:4]),
            reader.addr.eq(index),
        ]
        return {"near": near, "far": far, "index": index, "shift": shift, "point": point, "up": up}

    def _function(self, m: Module, reader: Any, value: Signal, parts: dict[str, Signal]) -> None:
        """Build the states from the value to the table's entry."""
        c = self.config
        near, far, index = parts["near"], parts["far"], parts["index"]
        shift, point, up = parts["shift"], parts["point"], parts["up"]
        with m.State("OFFSET"):
            m.d.sync += [near.eq(value + c.row_offset), far.eq(value + c.row2_offset)]
            m.next = "CLAMP"
        for state, following in (("CLAMP", "POINT"), ("POINT", "DOWN"), ("DOWN", "INDEX")):
            with m.State(state):
                m.next = following
        with m.State("INDEX"):
            cursor, other = Signal(signed(VALUE_BITS + 2)), Signal(signed(VALUE_BITS + 2))
            m.d.comb += [cursor.eq(near >> c.row_shift), other.eq(far >> c.row2_shift)]
            with m.If(c.row_floating):
                m.d.sync += [
                    index.eq(c.row_base + up[:INDEX_BITS]),
                    shift.eq(c.row_out_shift + Mux(c.row_even, point >> 1, point)),
                ]
            with m.Elif(c.row_two & (cursor > c.row_last)):
                m.d.sync += [
                    index.eq(
                        c.row_base
                        + c.row2_base
                        + Mux(other < 0, 0, Mux(other > c.row2_last, c.row2_last, other))
                    ),
                    shift.eq(c.row2_out_shift),
                ]
            with m.Else():
                m.d.sync += [
                    index.eq(
                        c.row_base
                        + Mux(cursor < 0, 0, Mux(cursor > c.row_last, c.row_last, cursor))
                    ),
                    shift.eq(c.row_out_shift),
                ]
            m.next = "READ"
        with m.State("READ"):
            m.next = "WRITE"
        with m.State("WRITE"):
            m.d.comb += [
                self.o_valid.eq(1),
                self.o_entry.eq(reader.data),
                self.o_shift.eq(shift),
            ]
            m.next = "FREE"
