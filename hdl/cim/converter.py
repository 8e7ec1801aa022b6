"""The converter of a column: successive approximation, one decision per cycle."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.shape import MacroShape, index_bits


def write_layout(shape: MacroShape) -> data.StructLayout:
    """A write to registers of converters: a value, and a flag for what it is.

    ``base``, or ``weight`` number ``index``, of ``column``; or, in all columns, the bow of the
    ``first`` trial, or that of the ``lower`` or ``upper`` child of trial ``2 * parent``.
    """
    bits = shape.spec.adc_bits
    flags = dict.fromkeys(("base", "weight", "first", "lower", "upper"), 1)
    return data.StructLayout(
        {
            "value": signed(shape.register_bits),
            "column": index_bits(shape.spec.columns),
            "index": index_bits(bits),
            "parent": max(1, bits - 1),
            **flags,
        }
    )


def encode_write(
    m: Module, shape: MacroShape, item: data.View, register: Value, bow: Value
) -> Signal:
    """Return the write of an item of the configuration stream: one cycle of latency.

    A trial's lowest bit that is set is the bit it tries. Its parent has a one in the place above
    and none below; the upper child has that one itself.
    """
    bits = shape.spec.adc_bits
    write = Signal(write_layout(shape), name="write")
    code = item.index[:bits]
    lowest, above = Signal(bits), Signal(bits)
    m.d.comb += [lowest.eq(code & -code), above.eq(lowest << 1)]
    is_base = item.index == bits
    m.d.sync += [
        write.value.eq(item.data),
        write.column.eq(item.column),
        write.index.eq(item.index),
        write.parent.eq(((code & ~lowest) | above)[1:]),
        write.base.eq(register & is_base),
        write.weight.eq(register & ~is_base),
        write.first.eq(bow & lowest[-1]),
        write.lower.eq(bow & ~lowest[-1] & ~(code & above).any()),
        write.upper.eq(bow & (code & above).any()),
    ]
    return write


class Converter(Component):
    """Samples a sum, then decides bit by bit, most significant first, each step with fresh noise.

    A conversion is ``adc_bits + 1`` steps in consecutive cycles. Step ``adc_bits`` samples: it
    captures sum plus noise and sets the threshold to the base. Step ``b`` decides bit ``b``. The
    registers of a column are its base, and a memory of a weight for each bit.

    A decision takes a comparison only: sum plus noise are added a cycle before, and the thresholds
    of the next step are computed for both outcomes meanwhile. The bow of the next trial depends on
    this one: trials are the nodes of a binary tree, and each has the bows of its two children in
    two memories, at its own number.

    Latency: ``step`` comes one cycle before the step's ``noise``; the code is valid from two cycles
    after the noise of the last step until two cycles after that of the next sampling. Throughput
    one conversion per ``adc_bits + 1`` cycles. With ``relu`` high a negative first decision ends
    the column's conversion: its comparator decides no more. This saves no cycle, as all columns
    convert in lockstep.

    Attributes
    ----------
    valid, step : in
        One cycle ahead of the step's ``sum`` and ``noise``.
    relu : in
        Constant during a layer; relu macros only.
    write : in
        Write port of all registers (:func:`write_layout`).
    code : out
        Result of the conversion.
    """

    def __init__(self, shape: MacroShape) -> None:
        self.shape = shape
        bits = shape.spec.adc_bits
        super().__init__(
            {
                "valid": In(1),
                "step": In(index_bits(bits + 1)),
                "sum": In(signed(shape.sum_bits)),
                "noise": In(signed(shape.noise_bits)),
                "relu": In(1),
                "write": In(write_layout(shape)),
                "code": Out(bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, bits = self.shape, self.shape.spec.adc_bits
        wide, top = shape.register_bits, 1 << bits - 1
        # The base is read together with the first weight: it has a register of its own.
        base = Signal(signed(wide), reset_less=True)
        m.submodules.weights = weights = Memory(
            shape=signed(wide), depth=max(2, 1 << index_bits(bits)), init=[]
        )
        reader, writer = weights.read_port(), weights.write_port()
        with m.If(self.write.base):
            m.d.sync += base.eq(self.write.value)
        following = Signal(index_bits(bits), reset_less=True)
        sampling, sampled = Signal(), Signal()
        m.d.comb += [
            reader.addr.eq(following),
            writer.addr.eq(self.write.index),
            writer.data.eq(self.write.value),
            writer.en.eq(self.write.weight),
        ]
        m.d.sync += [
            following.eq(self.step - 1),
            sampling.eq(self.valid & (self.step == bits)),
            sampled.eq(sampling),
        ]
        seen_shape = signed(max(shape.sum_bits, shape.noise_bits) + 1)
        seen, level = (
            Signal(signed(seen_shape.width + own), name=name, reset_less=True)
            for own, name in enumerate(("seen", "level"))
        )
        total = Mux(sampling, self.sum, seen) + self.noise
        m.d.sync += level.eq(total)
        with m.If(sampling):
            m.d.sync += seen.eq(total)

        # Of this step: sum of the weights before, the same with its own one, and with the bow.
        held = signed(wide + (bits + 1).bit_length())
        reached, raised, threshold = (
            Signal(signed(held.width + (name == "threshold")), name=name, reset_less=True)
            for name in ("reached", "raised", "threshold")
        )
        trial, place = Signal(bits, reset_less=True), Signal(bits)
        kept, low, high = Signal(), Signal(held), Signal(held)
        first, lower, upper = self._bows(m, trial)
        m.d.comb += [
            kept.eq(level >= threshold),
            low.eq(reached + reader.data),
            high.eq(raised + reader.data),
            self.code.eq(trial),
        ]
        # The middle code stands for zero.
        ends = place[-1] & self.relu & ~kept if shape.spec.relu else Const(0)
        with m.If(sampled):
            begin = base + reader.data
            m.d.sync += [
                reached.eq(base),
                raised.eq(begin),
                threshold.eq(begin + first),
                trial.eq(top),
                place.eq(top),
            ]
        with m.Else():
            m.d.sync += [
                reached.eq(Mux(kept, raised, reached)),
                raised.eq(Mux(kept, high, low)),
                threshold.eq(Mux(kept, high + upper, low + lower)),
                place.eq(Mux(ends, 0, place >> 1)),
            ]
            for bit in range(bits):
                begins = place[bit + 1] & ~ends if bit + 1 < bits else Const(0)
                decided = kept | ends if bit == bits - 1 else kept
                m.d.sync += trial[bit].eq(Mux(place[bit], decided, trial[bit] | begins))
        return m

    def _bows(self, m: Module, trial: Signal) -> tuple[Value, Value, Value]:
        """Return the bow of the first trial, and those that may follow a trial (combinational)."""
        shape, bits = self.shape, self.shape.spec.adc_bits
        if not shape.bow:
            return Const(0), Const(0), Const(0)
        shape_of_bow = signed(shape.register_bits)
        first = Signal(shape_of_bow, name="first_bow", reset_less=True)
        with m.If(self.write.first):
            m.d.sync += first.eq(self.write.value)
        if bits == 1:
            return first, Const(0), Const(0)
        children = []
        for side in ("lower", "upper"):
            # Odd codes have no children, and zero is no trial.
            m.submodules[side] = memory = Memory(shape=shape_of_bow, depth=1 << bits - 1, init=[])
            reader, writer = memory.read_port(domain="comb"), memory.write_port()
            m.d.comb += [
                reader.addr.eq(trial[1:]),
                writer.addr.eq(self.write.parent),
                writer.data.eq(self.write.value),
                writer.en.eq(self.write[side]),
            ]
            children.append(reader.data)
        return first, children[0], children[1]
