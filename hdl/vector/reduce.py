"""Row reductions: largest code, sum, and sum of squares of a row."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from hdl.vector.issue import tag_layout
from hdl.vector.row_scalar import sums_layout
from models.machine.spec import MachineSpec
from models.ops.row_function import VALUE_BITS


class RowReduce(Component):
    """Reduces over the lanes by a tree, then over the beats of a row.

    Latency two cycles, throughput one beat per cycle.

    Attributes
    ----------
    codes, squares, exponentials : in
        Per lane, valid with ``tag`` when ``ce`` is high.
    max_valid, max_row, max : out
        A row's largest code, valid for one cycle.
    o : stream of :func:`~hdl.vector.row_scalar.sums_layout`
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        lanes = spec.vector_lanes
        super().__init__(
            {
                "ce": In(1),
                "tag": In(tag_layout(spec)),
                "codes": In(data.ArrayLayout(signed(18), lanes)),
                "squares": In(data.ArrayLayout(36, lanes)),
                "exponentials": In(data.ArrayLayout(16, lanes)),
                "max_valid": Out(1),
                "max_row": Out(max(1, (spec.row_group - 1).bit_length())),
                "max": Out(signed(16)),
                "o": Out(stream.Signature(sums_layout(spec))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = range(self.spec.vector_lanes)
        tag = self.tag
        exponential = tag.exponential

        def masked(value: Value, lane: int, other: int) -> Value:
            return Mux(tag.mask[lane], value, other)

        largest = self._tree(
            m, [masked(self.codes[i][:16].as_signed(), i, -(1 << 15)) for i in lanes],
            signed(16), lambda a, b: Mux(a > b, a, b), "largest",
        )  # fmt: skip
        terms = [masked(Mux(exponential, self.exponentials[i], self.codes[i]), i, 0) for i in lanes]
        total = self._tree(m, terms, signed(28), lambda a, b: a + b, "total")
        squares = self._tree(
            m, [masked(self.squares[i], i, 0) for i in lanes], VALUE_BITS, lambda a, b: a + b,
            "squares",
        )  # fmt: skip

        stage = Signal(tag_layout(self.spec))
        largest1, total1 = Signal(signed(16)), Signal(signed(28))
        squares1 = Signal(VALUE_BITS)
        with m.If(self.ce):
            m.d.sync += [
                stage.eq(tag),
                largest1.eq(largest),
                total1.eq(total),
                squares1.eq(squares),
            ]
        max_so_far, total_so_far = Signal(signed(16)), Signal(signed(32))
        squares_so_far = Signal(VALUE_BITS)
        max_now, total_now = Signal(signed(16)), Signal(signed(32))
        squares_now = Signal(VALUE_BITS)
        m.d.comb += [
            max_now.eq(Mux(stage.first | (largest1 > max_so_far), largest1, max_so_far)),
            total_now.eq(Mux(stage.first, 0, total_so_far) + total1),
            squares_now.eq(Mux(stage.first, 0, squares_so_far) + squares1),
        ]
        moves = self.ce & stage.valid
        with m.If(moves):
            m.d.sync += [
                max_so_far.eq(max_now),
                total_so_far.eq(total_now),
                squares_so_far.eq(squares_now),
            ]
        m.d.comb += [
            self.max_valid.eq(moves & stage.largest & stage.last),
            self.max_row.eq(stage.row),
            self.max.eq(max_now),
        ]
        # As deep as a row group: it never overflows, so its write needs no handshake.
        layout = sums_layout(self.spec)
        m.submodules.sums = sums = SyncFIFO(width=layout.size, depth=self.spec.row_group)
        packed = Signal(layout)
        m.d.comb += [
            packed.row.eq(stage.row),
            packed.total.eq(total_now),
            packed.squares.eq(squares_now),
            sums.w_data.eq(packed),
            sums.w_en.eq(moves & (stage.square | stage.exponential) & stage.last),
            self.o.valid.eq(sums.r_rdy),
            self.o.payload.eq(sums.r_data),
            sums.r_en.eq(self.o.ready),
        ]
        return m

    def _tree(
        self,
        m: Module,
        terms: list[Value],
        shape: object,
        combine: Callable[[Value, Value], Value],
        name: str,
    ) -> Value:
        level = 0
        while len(terms) > 1:
            merged = []
            for index in range(0, len(terms) - 1, 2):
                node = Signal(shape, name=f"{name}{level}_{index}")
                m.d.comb += node.eq(combine(terms[index], terms[index + 1]))
                merged.append(node)
            if len(terms) % 2:
                merged.append(terms[-1])
            terms = merged
            level += 1
        return terms[0]
