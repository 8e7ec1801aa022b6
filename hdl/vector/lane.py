"""One lane of the vector unit: an arithmetic pipeline that every operator shares."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.descriptors import struct
from hdl.units.load_unit import TABLE_WRITE
from hdl.vector.wide_product import wide_product
from models.numerics.rescale import Rounding
from models.program.layout import PARAM_DRAIN, PARAM_NORM, TABLE_ENTRIES, VECTOR, VectorOp

ROW_VALUES = data.StructLayout({"mean": signed(18), "entry": 17, "shift": 6, "max": signed(16)})
"""Scalars of a row: its mean, its function's table entry and shift, its largest code."""

NEAR_BITS = 18
"""Bits of a rounded number that are kept: zero point and clamp are of 16 bits."""


class VectorLane(Component):
    """A pipeline that never stops: ``LANE_LATENCY`` stages; throughput one element per cycle.

    == ==========================================================================================
    1  bias, zero point, or distance to the row's maximum
    2  mean; operands of the small product; cursor of the exponential
    3  small product (18 x 25 bits), registered twice: square, ``d * r``, second operand
    4  exponential's table
    5  shift of the normalised value; operands of the large product
    6  large product (32 x 32 bits): three stages, addend included
    9  first shift of the double rounding
    10 right shift, half and sticky bits
    11 tie rule
    12 zero point, clamp
    13 cursor of the table
    14 index
    15 table
    16 result
    == ==========================================================================================

    A softmax uses the table for its exponentials, from stage 2 on, and nobody else does then.

    Attributes
    ----------
    config : the descriptor, from two cycles before its first element on
    x : operand: accumulator, code, or sum of codes
    y : second operand of an addition
    param : the channel's 72 parameter bits
    square : this element is part of its row's sum of squares, not of the result
    sum : accumulator and bias, of stage 1
    reduce_sum, reduce_square, reduce_exp : values of stage ``REDUCE_STAGE`` for the row reductions
    """

    def __init__(self) -> None:
        super().__init__(
            {
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
                "sum": Out(signed(32)),
                "result": Out(signed(16)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Decode once per descriptor: keeps the operator's code off all later paths.
        self._is_op = {op: Signal(name=f"is_{op.name.lower()}") for op in VectorOp}
        m.d.sync += [flag.eq(self.config.op == op) for op, flag in self._is_op.items()]
        # What the table is asked for: a distance, or a code.
        number = Signal(signed(17))
        entry = self._table(m, number)
        a, b, addend, shift = self._operands(m, entry)
        total = wide_product(m, a, b, addend)
        for stage in range(6, 9):
            later = Signal(6, name=f"shift{stage}")
            m.d.sync += later.eq(shift)
            shift = later
        distance = self.row.max - self.x[:16].as_signed()
        code = self._rounded(m, total, shift)
        m.d.sync += number.eq(Mux(self._is_op[VectorOp.SOFTMAX], distance, code))
        code12, code13, code14, code15 = (
            Signal(signed(16), name=f"code{i}") for i in range(12, 16)
        )
        use_table = self.config.table & ~self._is_op[VectorOp.SOFTMAX]
        m.d.sync += [
            code12.eq(code),
            code13.eq(code12),
            code14.eq(code13),
            code15.eq(code14),
            self.result.eq(Mux(use_table, entry.as_signed(), code15)),
        ]
        return m

    def _table(self, m: Module, number: Signal) -> Signal:
        """Return the function's entry for a number, three cycles later."""
        c = self.config
        memory = Memory(shape=16, depth=TABLE_ENTRIES, init=[])
        m.submodules.table = memory
        reader, writer = memory.read_port(), memory.write_port()
        cursor, index = Signal(signed(26)), Signal(range(TABLE_ENTRIES))
        m.d.sync += [
            cursor.eq((number + c.table_offset) >> c.table_shift),
            index.eq(
                Mux(cursor < 0, 0, Mux(cursor > c.table_last, c.table_last, cursor)) + c.table_base
            ),
        ]
        m.d.comb += [
            reader.addr.eq(index),
            writer.en.eq(self.table.function),
            writer.addr.eq(self.table.entry),
            writer.data.eq(self.table.value),
        ]
        entry = Signal(16)
        m.d.comb += entry.eq(reader.data)
        return entry

    def _operands(self, m: Module, entry: Signal) -> tuple[Signal, Signal, Signal, Signal]:
        """Build stages 1-5."""
        c, row, is_op = self.config, self.row, self._is_op
        drain = data.View(struct(PARAM_DRAIN), self.param)
        norm = data.View(struct(PARAM_NORM), self.param)

        # Stage 1
        a, wide1, y1 = Signal(signed(32), name="a1"), Signal(signed(18)), Signal(signed(17))
        factor, addend = Signal(signed(32), name="factor1"), Signal(signed(40), name="addend1")
        shift, exponent = Signal(6, name="shift1"), Signal(6, name="exponent1")
        square1, mean1, entry1 = Signal(), Signal(signed(18)), Signal(17)
        with m.If(is_op[VectorOp.DRAIN]):
            m.d.sync += a.eq(self.x + drain.bias)
        with m.Elif(is_op[VectorOp.AVERAGE_POOL]):
            m.d.sync += a.eq(self.x)
        with m.Else():
            m.d.sync += a.eq(self.x - c.a_zero)
        m.d.comb += self.sum.eq(a)
        m.d.sync += [
            wide1.eq(self.x[:18].as_signed() << c.pre_shift),
            y1.eq(self.y - c.b_zero),
            square1.eq(self.square),
            mean1.eq(row.mean),
            entry1.eq(row.entry),
            exponent.eq(row.shift),
            addend.eq(Mux(is_op[VectorOp.LAYER_NORM], norm.addend, 0)),
        ]
        m.d.sync += [factor.eq(c.multiplier), shift.eq(c.shift)]
        with m.If(is_op[VectorOp.DRAIN]):
            m.d.sync += [factor.eq(drain.factor), shift.eq(drain.shift)]
        with m.If(is_op[VectorOp.LAYER_NORM]):
            m.d.sync += factor.eq(norm.factor)
        with m.If(is_op[VectorOp.SOFTMAX]):
            m.d.sync += [factor.eq(row.entry), shift.eq(row.shift)]

        # Stage 2: both operands of the small product; stages 3 and 4: its registers, which
        # synthesis puts into the DSP slice.
        small2, large2 = Signal(signed(18)), Signal(signed(25))
        product3, product4 = Signal(signed(43)), Signal(signed(43))
        m.d.sync += [product3.eq(small2 * large2), product4.eq(product3)]
        with m.If(is_op[VectorOp.ADD]):
            m.d.sync += [small2.eq(y1), large2.eq(c.b_multiplier)]
        with m.Elif(square1):
            m.d.sync += [small2.eq(wide1), large2.eq(wide1)]
        with m.Else():
            m.d.sync += [small2.eq(wide1 - mean1), large2.eq(entry1)]
        values = [a, wide1, factor, addend, shift, exponent]
        for stage in range(2, 5):
            later = [Signal.like(v, name=f"{v.name[:-1]}{stage}") for v in values]
            m.d.sync += [new.eq(old) for new, old in zip(later, values, strict=True)]
            values = later
        a, sum4, factor, addend, shift, exponent = values
        m.d.comb += [
            self.reduce_sum.eq(sum4),
            self.reduce_square.eq(product4),
            self.reduce_exp.eq(entry),
        ]

        # Stage 5
        a5, factor5 = Signal(signed(32)), Signal(signed(32))
        addend5, shift5 = Signal(signed(43)), Signal(6)
        m.d.sync += a5.eq(a)
        with m.If(is_op[VectorOp.LAYER_NORM]):
            m.d.sync += a5.eq(product4 >> exponent)
        with m.If(is_op[VectorOp.SOFTMAX]):
            m.d.sync += a5.eq(entry)
        m.d.sync += [
            factor5.eq(factor),
            addend5.eq(Mux(is_op[VectorOp.ADD], product4, addend)),
            shift5.eq(shift),
        ]
        return a5, factor5, addend5, shift5

    def _rounded(self, m: Module, total8: Signal, shift8: Signal) -> Signal:
        """Build stages 9-12: right shift of :func:`models.numerics.rescale.rescale`, clamp.

        No expression is wider than 64 bits, which halves simulation time.
        """
        c = self.config
        # Stage 9
        total9, shift9 = Signal(signed(63)), Signal(6)
        twice = Signal()
        never, always, away, even = range(4)
        rule9, rule10 = Signal(2), Signal(2)
        m.d.comb += twice.eq((c.rounding == Rounding.DOUBLE) & (shift8 > 31))
        m.d.sync += [
            total9.eq(Mux(twice, ((total8 >> 30) + 1) >> 1, total8)),
            shift9.eq(Mux(twice, shift8 - 31, shift8)),
        ]
        with m.If(twice | (c.rounding == Rounding.HALF_AWAY)):
            m.d.sync += rule9.eq(away)
        with m.Elif((c.rounding == Rounding.HALF_UP) | (c.rounding == Rounding.DOUBLE)):
            m.d.sync += rule9.eq(always)
        with m.Else():
            m.d.sync += rule9.eq(Mux(c.rounding == Rounding.HALF_EVEN, even, never))
        # Stage 10
        floor10 = Signal(signed(63))
        half10, sticky10 = Signal(), Signal()
        # A zero below the number: what is left of it and its half bit are one result.
        moved, lost = Cat(Const(0, 1), total9).as_signed(), Const(0, 1)
        for low in (4, 2, 0):
            by, step = shift9[low : low + 2], 1 << low
            following = Signal(signed(64), name=f"moved{low}")
            dropped = Signal(name=f"lost{low}")
            with m.Switch(by):
                for number in range(4):
                    with m.Case(number):
                        m.d.comb += [
                            following.eq(moved >> number * step),
                            dropped.eq(moved[: number * step].any() if number else 0),
                        ]
            moved, lost = following, lost | dropped
        m.d.sync += [
            floor10.eq(moved[1:].as_signed()),
            half10.eq(moved[0]),
            sticky10.eq(lost),
            rule10.eq(rule9),
        ]
        # Stage 11
        near11, up11 = Signal(signed(NEAR_BITS)), Signal()
        negative = floor10[-1]
        rest = floor10[NEAR_BITS - 1 :]
        # A number far beyond 16 bits clamps by its sign alone.
        far = Cat((~negative).replicate(NEAR_BITS - 1), negative).as_signed()
        m.d.sync += near11.eq(Mux(rest.all() | ~rest.any(), floor10[:NEAR_BITS].as_signed(), far))
        with m.Switch(rule10):
            with m.Case(never):
                m.d.sync += up11.eq(0)
            with m.Case(always):
                m.d.sync += up11.eq(half10)
            with m.Case(away):
                m.d.sync += up11.eq(half10 & (~negative | sticky10))
            with m.Case(even):
                m.d.sync += up11.eq(half10 & (sticky10 | floor10[0]))
        # Stage 12
        placed = Signal(signed(NEAR_BITS + 2))
        m.d.comb += placed.eq(near11 + Cat(up11, Const(0, 1)).as_signed() + c.zero)
        return Mux(placed < c.low, c.low, Mux(placed > c.high, c.high, placed[:16].as_signed()))
