"""Turns codes into results: decode, weigh and add per column, then join columns per output."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.shape import MacroShape, index_bits
from models.cim.cim_spec import Decomposition


def event_layout(shape: MacroShape) -> data.StructLayout:
    """Event: a conversion is complete, or was skipped.

    ``shift`` is the weight of the activation slice; ``first`` and ``final`` mark a vector's first
    and last event. ``release``, set together with ``final``, frees bank ``bank`` of the weights.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "skip": 1,
            "first": 1,
            "final": 1,
            "release": 1,
            "bank": 1,
            "shift": index_bits(shape.spec.act_bits),
        }
    )


class ColumnTotal(Component):
    """A column's sum of decoded codes over activation slices and tiles.

    ``total`` is combinational: it already includes the current ``event``; throughput one event per
    cycle. A decode table is read one cycle ahead, at ``code``.

    Attributes
    ----------
    event, zero, code : in
        Event, code of a skipped conversion, and code of the event; with a decode table ``code``
        comes one cycle before its event.
    negative : in
        Sign of the column's group.
    index, entry, write : in
        Write port of the decode table: one entry.
    total, factors : out
        Sum of weighted codes, sum of their weights (``factors``: polarised macros only).
    """

    def __init__(self, shape: MacroShape, decode: list[int]) -> None:
        self.shape = shape
        self.decode = decode
        bits = shape.spec.adc_bits
        super().__init__(
            {
                "event": In(event_layout(shape)),
                "zero": In(signed(bits + 2)),
                "code": In(bits),
                "negative": In(1),
                "index": In(bits),
                "entry": In(signed(shape.value_bits)),
                "write": In(1),
                "total": Out(signed(shape.column_bits)),
                "factors": Out(signed(shape.factor_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, event = self.shape, self.event
        value = Signal(signed(shape.value_bits))
        if shape.calibrated:
            depth = 1 << shape.spec.adc_bits
            m.submodules.decode = table = Memory(
                shape=signed(shape.value_bits), depth=depth, init=self.decode
            )
            reader, writer = table.read_port(), table.write_port()
            m.d.comb += [
                reader.addr.eq(self.code),
                writer.addr.eq(self.index),
                writer.data.eq(self.entry),
                writer.en.eq(self.write),
                value.eq(Mux(event.skip, self.zero << shape.decode_bits, reader.data)),
            ]
        elif shape.spec.zero_skip:
            m.d.comb += value.eq(Mux(event.skip, self.zero, self.code))
        else:
            m.d.comb += value.eq(self.code)
        polarised = shape.spec.decomposition is Decomposition.POLARISED
        weighted = Signal(signed(shape.column_bits))
        held = Signal(signed(shape.column_bits))
        sign = self.negative if polarised else 0
        m.d.comb += [
            weighted.eq(value << event.shift),
            self.total.eq(_add(Mux(event.first, 0, held), weighted, sign)),
        ]
        with m.If(event.valid):
            m.d.sync += held.eq(self.total)
        if polarised:
            factors = Signal(signed(shape.factor_bits))
            m.d.comb += self.factors.eq(_add(Mux(event.first, 0, factors), 1 << event.shift, sign))
            with m.If(event.valid):
                m.d.sync += factors.eq(self.factors)
        return m


def _add(a, b, negative):  # type: ignore[no-untyped-def]
    return a + b if isinstance(negative, int) else Mux(negative, a - b, a + b)


class Join(Component):
    """Joins the slices of every output, one column per cycle, and scales the sum to a result.

    ``y = (step * sum(a * total) + offset * sum(a * factors) + half) >> fraction``, where ``a`` is
    the weight of the column's slice.

    Latency from ``load`` to the first result ``slices + 3`` cycles, throughput one column per
    cycle; a result that waits for ``o.ready`` stalls the following ones.

    Attributes
    ----------
    load, total, factors : in
        Capture the sums of all columns; allowed only when ``free``.
    free : out
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
        totals = [Signal(signed(shape.column_bits), name=f"hold{i}") for i in range(spec.columns)]
        factors = [
            Signal(signed(shape.factor_bits), name=f"factor{i}") for i in range(len(self.factors))
        ]
        busy, move = Signal(), Signal()
        part, output = Signal.like(self.slices), Signal.like(self.outputs)
        end, ending = Signal(), Signal()
        m.d.comb += [
            move.eq(~self.o.valid | self.o.ready),
            end.eq(part == self.slices),
            ending.eq(move & end & (output == self.outputs)),
            self.free.eq(~busy | ending),
            self.done.eq(self.o.valid & self.o.ready & self.o.payload.last),
        ]
        for chain, source in ((totals, self.total), (factors, self.factors)):
            for index, register in enumerate(chain):
                later = chain[min(index + 1, len(chain) - 1)]
                with m.If(self.load):
                    m.d.sync += register.eq(source[index])
                with m.Elif(move):
                    m.d.sync += register.eq(later)
        with m.If(self.load):
            m.d.sync += [busy.eq(1), part.eq(0), output.eq(0)]
        with m.Elif(busy & move):
            m.d.sync += part.eq(Mux(end, 0, part + 1))
            with m.If(end):
                m.d.sync += [output.eq(output + 1), busy.eq(output != self.outputs)]
        negative, place = self._slice(m, part, end)

        sum_bits = shape.column_bits + shape.weigh_bits
        factor_bits = shape.factor_bits + shape.weigh_bits
        joined, weighed = Signal(signed(sum_bits)), Signal(signed(factor_bits))
        scaled, moved = Signal(signed(64)), Signal(signed(64))
        whole, whole_last, ready, ready_last = Signal(), Signal(), Signal(), Signal()
        shift = shape.decode_bits + spec.fraction
        half = 1 << shift - 1 if shift else 0
        with m.If(move):
            first = part == 0
            m.d.sync += [
                joined.eq(_add(Mux(first, 0, joined), totals[0] << place, negative)),
                weighed.eq(_add(Mux(first, 0, weighed), factors[0] << place, negative)),
                whole.eq(busy & end),
                whole_last.eq(output == self.outputs),
                scaled.eq(self.step * joined),
                moved.eq((self.offset * weighed) << shape.decode_bits),
                ready.eq(whole),
                ready_last.eq(whole_last),
                self.o.valid.eq(ready),
                self.o.payload.value.eq((scaled + moved + half) >> shift),
                self.o.payload.last.eq(ready_last),
            ]
        return m

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
