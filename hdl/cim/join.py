"""Joins the columns of every output, and scales them to results."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hdl.cim.combine import add_or_subtract
from hdl.cim.shape import MacroShape
from hdl.cim.sums import added, delayed, levels
from hdl.memory.credit_queue import CreditQueue
from models.cim.cim_spec import Decomposition

PLACES = 16
"""Results under way; more than the cycles from a column to the return of its credit."""
LIMBS = 24, 17
"""Bits of unsigned factors that one DSP slice multiplies."""


def join_latency(shape: MacroShape) -> int:
    """Cycles from an output's last column to its result."""
    return 3 + levels(len(_limbs(shape))) + CreditQueue.LATENCY


def _limbs(shape: MacroShape) -> list[tuple[int, int, int]]:
    """Partial products: which product, and the limbs of its two factors; rounding is one more."""
    bits = (
        (shape.register_bits, shape.column_bits + shape.weigh_bits),
        (shape.register_bits, shape.factor_bits + shape.weigh_bits),
    )
    found = [
        (number, i, j)
        for number, (left, right) in enumerate(bits)
        for i in range(_count(left, LIMBS[0]))
        for j in range(_count(right, LIMBS[1]))
    ]
    return [*found, (2, 0, 0)]


def _count(bits: int, limb: int) -> int:
    """Limbs of a number; the highest one holds the sign as well."""
    return max(1, -(-(bits - 1) // limb))


def _limb(value: Value, index: int, limb: int) -> Value:
    """One limb of a signed number."""
    if index + 1 < _count(len(value), limb):
        return value[index * limb : (index + 1) * limb]
    return value[index * limb :].as_signed()


class Join(Component):
    """Joins the slices of every output, one column per cycle, and scales the sum to a result.

    ``y = (step * sum(a * total) + offset * sum(a * factors) + half) >> fraction``, where ``a`` is
    the weight of the column's slice.

    Latency from ``load`` to the first result ``slices +`` :func:`join_latency` cycles, throughput
    one column per cycle. Results go through a queue that has a place for each: columns wait only
    while none is left, and no stage behind them does.

    Attributes
    ----------
    load, total, factors : in
        Capture the sums of all columns; allowed only if ``free`` was high the cycle before.
    free : out
        The sums may be captured in the next cycle.
    slices, outputs, step, offset : in
        As in :meth:`~hdl.cim.shape.MacroShape.layer`.
    o : stream of results
    done : out
        The last result of a vector leaves.
    """

    def __init__(self, shape: MacroShape) -> None:
        self.shape = shape
        columns = shape.spec.columns
        polarised = shape.spec.decomposition is Decomposition.POLARISED
        factors = columns if polarised else 1
        layer = shape.layer()
        result = data.StructLayout({"value": shape.value, "last": 1})
        super().__init__(
            {
                "load": In(1),
                "total": In(data.ArrayLayout(signed(shape.column_bits), columns)),
                "factors": In(data.ArrayLayout(signed(shape.factor_bits), factors)),
                "free": Out(1),
                **{n: In(layer[n].shape) for n in ("slices", "outputs", "step", "offset")},
                "o": Out(stream.Signature(result)),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, spec = self.shape, self.shape.spec
        totals = [
            Signal(signed(shape.column_bits), name=f"hold{i}", reset_less=True)
            for i in range(spec.columns)
        ]
        factors = [
            Signal(signed(shape.factor_bits), name=f"factor{i}", reset_less=True)
            for i in range(len(self.factors))
        ]
        m.submodules.queue = queue = CreditQueue(self.o.payload.shape(), PLACES)
        connect(m, queue.o, flipped(self.o))
        part, output = Signal.like(self.slices), Signal.like(self.outputs)
        # Whether the sums may be captured is known a cycle ahead, so all it depends on is, too.
        names = ("busy", "move", "end", "last")
        busy, move, end, last = (Signal(name=name) for name in names)
        coming = {name: Signal(name=f"next_{name}") for name in names}
        issue, returned = Signal(), Signal()
        # As `issue`, from a register: it has a pin at every bit of the columns.
        shifts = Signal()
        credits = Signal(range(PLACES + 1), init=PLACES)
        one_slice, one_output = self.slices == 0, self.outputs == 0
        m.d.comb += [
            issue.eq(busy & move),
            coming["busy"].eq(self.load | busy & ~(issue & end & last)),
            coming["move"].eq(credits > 1),
            coming["end"].eq(end),
            coming["last"].eq(last),
            self.free.eq(~coming["busy"] | coming["move"] & coming["end"] & coming["last"]),
            self.done.eq(self.o.valid & self.o.ready & self.o.payload.last),
        ]
        with m.If(self.load):
            m.d.comb += [coming["end"].eq(one_slice), coming["last"].eq(one_output)]
            m.d.sync += [part.eq(0), output.eq(0)]
        with m.Elif(issue):
            m.d.comb += coming["end"].eq(Mux(end, one_slice, part + 1 == self.slices))
            m.d.sync += part.eq(Mux(end, 0, part + 1))
            with m.If(end):
                m.d.comb += coming["last"].eq(output + 1 == self.outputs)
                m.d.sync += output.eq(output + 1)
        m.d.sync += [
            *(
                register.eq(coming[name])
                for name, register in zip(names, (busy, move, end, last), strict=True)
            ),
            shifts.eq(coming["busy"] & coming["move"]),
            returned.eq(self.o.valid & self.o.ready),
            credits.eq(credits - (issue & end) + returned),
        ]
        for chain, source in ((totals, self.total), (factors, self.factors)):
            for index, register in enumerate(chain):
                later = chain[min(index + 1, len(chain) - 1)]
                with m.If(self.load):
                    m.d.sync += register.eq(source[index])
                with m.Elif(shifts):
                    m.d.sync += register.eq(later)
        begin = Signal(data.StructLayout({"valid": 1, "first": 1, "end": 1, "last": 1}))
        m.d.sync += [
            begin.valid.eq(issue),
            begin.first.eq(part == 0),
            begin.end.eq(end),
            begin.last.eq(last),
        ]
        negative, place = self._slice(m, part, end)
        sign = Signal(reset_less=True)
        m.d.sync += sign.eq(negative)
        joined = []
        for name, value in (("joined", totals[0]), ("weighed", factors[0])):
            moved = Signal(signed(len(value) + shape.weigh_bits), name=f"{name}_moved",
                           reset_less=True)  # fmt: skip
            total = Signal.like(moved, name=name)
            m.d.sync += moved.eq(value << place)
            before = Mux(begin.first, 0, total)
            with m.If(begin.valid):
                m.d.sync += total.eq(add_or_subtract(before, moved, sign))
            joined.append(total)
        # The stages from here on never wait: the queue has a place for the result.
        late = join_latency(shape) - CreditQueue.LATENCY - 1
        whole = delayed(m, begin.valid & begin.end, late, "whole")
        m.d.comb += [
            queue.i.valid.eq(whole),
            queue.i.payload.last.eq(delayed(m, begin.last, late, "whole_last", data=True)),
            queue.i.payload.value.eq(self._scaled(m, *joined)),
        ]
        return m

    def _scaled(self, m: Module, joined: Value, weighed: Value) -> Value:
        """Return ``step * joined + offset * weighed``, rounded, from products of limbs."""
        shape = self.shape
        width = shape.register_bits + len(joined) + 2
        shift = shape.decode_bits + shape.spec.fraction
        step = Cat(self.step, 0).as_signed()
        products = ((step, joined, 0), (self.offset, weighed, shape.decode_bits))
        terms: list[Value] = []
        for number, i, j in _limbs(shape)[:-1]:
            left, right, moved = products[number]
            value = _limb(left, i, LIMBS[0]) * _limb(right, j, LIMBS[1])
            product = Signal(value.shape(), name=f"product{number}_{i}_{j}", reset_less=True)
            m.d.sync += product.eq(value)
            terms.append(product << i * LIMBS[0] + j * LIMBS[1] + moved)
        half = 1 << shift - 1 if shift else 0
        return added(m, [*terms, Const(half)], "result", width) >> shift

    def _slice(self, m: Module, part: Signal, end: Signal) -> tuple[Signal, Signal]:
        """Return sign and shift of a slice, by the macro's decomposition."""
        shape, spec = self.shape, self.shape.spec
        negative = Signal()
        place = Signal(range(max(2, shape.slices * spec.cell_bits)))
        if spec.decomposition is Decomposition.DIFFERENTIAL:
            half = Signal.like(part)
            m.d.comb += [
                half.eq((self.slices + 1) >> 1),
                negative.eq(part >= half),
                place.eq(Mux(negative, part - half, part) * spec.cell_bits),
            ]
        else:
            m.d.comb += place.eq(part * spec.cell_bits)
            if spec.decomposition is Decomposition.BIT_SERIAL:
                m.d.comb += negative.eq(end)
        return negative, place
