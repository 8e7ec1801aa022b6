"""One lane of the vector unit: an arithmetic pipeline that every operator shares."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.descriptors import struct
from hdl.units.load_unit import TABLE_WRITE
from models.numerics.rescale import Rounding
from models.program.layout import PARAM_DRAIN, PARAM_NORM, TABLE_ENTRIES, VECTOR, VectorOp

ROW_VALUES = data.StructLayout({"mean": signed(18), "entry": 17, "shift": 6, "max": signed(16)})
"""Scalars of a row: its mean, its function's table entry and shift, its largest code."""

REDUCE_STAGE = 3
"""Cycles from an operand to its outputs for the row reductions."""


class VectorLane(Component):
    """Twelve pipeline stages with clock enable ``ce``; throughput one element per cycle.

    == ==========================================================================================
    1  bias, zero point, mean or distance to the row's maximum
    2  small product (18 x 25 bits): square, ``d * r``, second operand; exponential table
    3  shift of the normalised value; operands of the large product
    4  large product (32 x 32 bits), registered twice
    6  addend
    7  first shift of the double rounding
    8  right shift, half and sticky bits
    9  tie rule, zero point, clamp
    10 table index
    11 table
    12 result
    == ==========================================================================================

    Attributes
    ----------
    x : operand: accumulator, code, or sum of codes
    y : second operand of an addition
    param : the channel's 72 parameter bits
    square : this element is part of its row's sum of squares, not of the result
    reduce_sum, reduce_square, reduce_exp : stage 3 values for the row reductions
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "ce": In(1),
                "config": In(struct(VECTOR)),
                "x": In(signed(32)),
                "y": In(signed(16)),
                "param": In(72),
                "square": In(1),
                "row": In(ROW_VALUES),
                "table": In(TABLE_WRITE),
                "reduce_sum": Out(signed(18)),
                "reduce_square": Out(36),
                "reduce_exp": Out(16),
                "result": Out(signed(16)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._index = Signal(range(TABLE_ENTRIES))
        self._entry = Signal(16)
        memory = Memory(shape=16, depth=TABLE_ENTRIES, init=[])
        m.submodules.table = memory
        reader, writer = memory.read_port(), memory.write_port()
        m.d.comb += [
            reader.addr.eq(self._index),
            reader.en.eq(self.ce),
            self._entry.eq(reader.data),
            writer.en.eq(self.table.function),
            writer.addr.eq(self.table.entry),
            writer.data.eq(self.table.value),
        ]
        with m.If(self.ce):
            a, b, addend, shift = self._operands(m)
            self._rescale(m, a, b, addend, shift)
        return m

    def _operands(self, m: Module) -> tuple[Signal, Signal, Signal, Signal]:
        """Build stages 1-3."""
        c, row = self.config, self.row
        drain = data.View(struct(PARAM_DRAIN), self.param)
        norm = data.View(struct(PARAM_NORM), self.param)
        is_op = {op: c.op == op for op in VectorOp}

        # Stage 1
        a1 = Signal(signed(32))
        small1 = Signal(signed(18))  # first operand of the small product
        large1 = Signal(signed(25))  # second operand
        wide = Signal(signed(18))
        sum1 = Signal(signed(18))
        distance = Signal(signed(26))
        cursor1 = Signal(signed(26))
        m.d.comb += [
            wide.eq(self.x[:18].as_signed() << c.pre_shift),
            distance.eq((row.max - self.x[:16].as_signed() + c.table_offset) >> c.table_shift),
        ]
        with m.If(is_op[VectorOp.DRAIN]):
            m.d.sync += a1.eq(self.x + drain.bias)
        with m.Elif(is_op[VectorOp.AVERAGE_POOL]):
            m.d.sync += a1.eq(self.x)
        with m.Else():
            m.d.sync += a1.eq(self.x - c.a_zero)
        m.d.sync += [sum1.eq(wide), cursor1.eq(distance)]
        with m.If(is_op[VectorOp.ADD]):
            m.d.sync += [small1.eq(self.y - c.b_zero), large1.eq(c.b_multiplier)]
        with m.Elif(self.square):
            m.d.sync += [small1.eq(wide), large1.eq(wide)]
        with m.Else():
            m.d.sync += [small1.eq(wide - row.mean), large1.eq(row.entry)]
        factor1, addend1, shift1 = Signal(signed(32)), Signal(signed(40)), Signal(6)
        exponent1 = Signal(6)
        m.d.sync += [
            exponent1.eq(row.shift),
            addend1.eq(Mux(is_op[VectorOp.LAYER_NORM], norm.addend, 0)),
        ]
        with m.Switch(c.op):
            with m.Case(VectorOp.DRAIN):
                m.d.sync += [factor1.eq(drain.factor), shift1.eq(drain.shift)]
            with m.Case(VectorOp.LAYER_NORM):
                m.d.sync += [factor1.eq(norm.factor), shift1.eq(c.shift)]
            with m.Case(VectorOp.SOFTMAX):
                m.d.sync += [factor1.eq(row.entry), shift1.eq(row.shift)]
            with m.Default():
                m.d.sync += [factor1.eq(c.multiplier), shift1.eq(c.shift)]

        # Stage 2
        a2, product2 = Signal(signed(32)), Signal(signed(43))
        sum2, factor2, addend2 = Signal(signed(18)), Signal(signed(32)), Signal(signed(40))
        shift2, exponent2 = Signal(6), Signal(6)
        m.d.sync += [
            a2.eq(a1),
            product2.eq(small1 * large1),
            sum2.eq(sum1),
            factor2.eq(factor1),
            addend2.eq(addend1),
            shift2.eq(shift1),
            exponent2.eq(exponent1),
        ]
        with m.If(is_op[VectorOp.SOFTMAX]):
            m.d.comb += self._index.eq(
                Mux(
                    cursor1 < 0,
                    0,
                    Mux(cursor1 > c.table_last, c.table_last, cursor1),
                )
                + c.table_base
            )

        # Stage 3
        a3, factor3 = Signal(signed(32)), Signal(signed(32))
        addend3, shift3 = Signal(signed(43)), Signal(6)
        with m.Switch(c.op):
            with m.Case(VectorOp.LAYER_NORM):
                m.d.sync += a3.eq(product2 >> exponent2)
            with m.Case(VectorOp.SOFTMAX):
                m.d.sync += a3.eq(self._entry)
            with m.Default():
                m.d.sync += a3.eq(a2)
        m.d.sync += [
            factor3.eq(factor2),
            addend3.eq(Mux(is_op[VectorOp.ADD], product2, addend2)),
            shift3.eq(shift2),
            self.reduce_sum.eq(sum2),
            self.reduce_square.eq(product2),
            self.reduce_exp.eq(self._entry),
        ]
        return a3, factor3, addend3, shift3

    def _rescale(self, m: Module, a: Signal, b: Signal, addend: Signal, shift: Signal) -> None:
        """Build stages 4-12: :func:`models.numerics.rescale.rescale`, clamp and table.

        No expression is wider than 64 bits, which halves simulation time.
        """
        c = self.config
        # Stages 4-5: two registers after the product, which synthesis merges into DSP slices.
        product4, product5 = Signal(signed(63)), Signal(signed(63))
        addend4, addend5 = Signal(signed(43)), Signal(signed(43))
        shift4, shift5, shift6 = (Signal(6, name=f"shift{i}") for i in range(4, 7))
        total6 = Signal(signed(63))
        m.d.sync += [
            product4.eq(a * b),
            product5.eq(product4),
            addend4.eq(addend),
            addend5.eq(addend4),
            shift4.eq(shift),
            shift5.eq(shift4),
            shift6.eq(shift5),
            total6.eq(product5 + addend5),
        ]
        # Stage 7
        total7 = Signal(signed(63))
        twice = Signal()
        away7, none7 = Signal(), Signal()
        less7 = Signal(6)
        high = Signal(signed(63))
        is_double = c.rounding == Rounding.DOUBLE
        m.d.comb += [
            twice.eq(is_double & (shift6 > 31)),
            high.eq(total6 + (1 << 30)),
        ]
        m.d.sync += [
            total7.eq(Mux(twice, high >> 31, total6)),
            # One less than the remaining shift, so that the half bit becomes the lowest bit.
            less7.eq(Mux(twice, shift6 - 32, Mux(shift6 == 0, 0, shift6 - 1))),
            none7.eq(~twice & (shift6 == 0)),
            away7.eq(twice),
        ]
        # Stage 8
        part = Signal(signed(63))
        floor8 = Signal(signed(63))
        half8, sticky8, negative8, away8 = Signal(), Signal(), Signal(), Signal()
        lost = Signal(63)
        m.d.comb += [
            part.eq(total7 >> less7),
            lost.eq(total7.as_unsigned() & (Const((1 << 63) - 1, 63) >> (63 - less7)[:6])),
        ]
        m.d.sync += [
            floor8.eq(Mux(none7, total7, part >> 1)),
            half8.eq(~none7 & part[0]),
            sticky8.eq(lost.any()),
            negative8.eq(total7[62]),
            away8.eq(away7),
        ]
        # Stage 9
        up = Signal()
        code9 = Signal(signed(16))
        moved = Signal(signed(42))
        # A value far beyond 16 bits clamps by its sign alone, so 40 bits suffice.
        near = Signal(signed(40))
        fits = (floor8 >> 39 == 0) | (floor8 >> 39 == -1)
        m.d.comb += near.eq(
            Mux(fits, floor8, Mux(negative8, Const(-(1 << 38), 40).as_signed(), (1 << 38)))
        )
        with m.Switch(Mux(away8, Rounding.HALF_AWAY, c.rounding)):
            with m.Case(Rounding.HALF_UP, Rounding.DOUBLE):
                m.d.comb += up.eq(half8)
            with m.Case(Rounding.HALF_AWAY):
                m.d.comb += up.eq(half8 & (~negative8 | sticky8))
            with m.Case(Rounding.HALF_EVEN):
                m.d.comb += up.eq(half8 & (sticky8 | floor8[0]))
        m.d.comb += moved.eq(near + Cat(up, Const(0, 1)).as_signed() + c.zero)
        m.d.sync += code9.eq(
            Mux(moved < c.low, c.low, Mux(moved > c.high, c.high, moved[:16].as_signed()))
        )
        # Stage 10
        code10 = Signal(signed(16))
        cursor = Signal(signed(26))
        index10 = Signal(range(TABLE_ENTRIES))
        m.d.comb += cursor.eq((code9 + c.table_offset) >> c.table_shift)
        m.d.sync += [
            code10.eq(code9),
            index10.eq(
                Mux(cursor < 0, 0, Mux(cursor > c.table_last, c.table_last, cursor)) + c.table_base
            ),
        ]
        with m.If(c.op != VectorOp.SOFTMAX):
            m.d.comb += self._index.eq(index10)
        # Stages 11-12
        code11 = Signal(signed(16))
        m.d.sync += code11.eq(code10)
        use_table = c.table & (c.op != VectorOp.SOFTMAX)
        m.d.sync += self.result.eq(Mux(use_table, self._entry.as_signed(), code11))
