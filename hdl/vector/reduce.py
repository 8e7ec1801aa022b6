"""Row reductions: largest code, sum, and sum of squares of a row."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from hdl.vector.beat_walk import tag_layout
from hdl.vector.row_scalar import sums_layout
from models.cost.pipelines import RADIX, levels
from models.machine.spec import MachineSpec
from models.ops.row_function import VALUE_BITS


class RowReduce(Component):
    """Reduces over the lanes by a tree, then over the beats of a row.

    Latency :func:`models.cost.pipelines.reduce_latency` cycles to the row's values, throughput one
    beat per cycle.

    Attributes
    ----------
    codes, squares, exponentials : in
        Per lane, with their ``tag``.
    max_valid, max_row, max : out
        A row's largest code, valid for one cycle.
    o : stream of :func:`~hdl.vector.row_scalar.sums_layout`
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        lanes = spec.vector_lanes
        super().__init__(
            {
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
        kept: dict[str, list[Signal]] = {"largest": [], "total": [], "squares": []}
        for lane in lanes:
            code = self.codes[lane]
            one = {
                "largest": (signed(16), code[:16].as_signed(), -(1 << 15)),
                "total": (signed(18), Mux(tag.exponential, self.exponentials[lane], code), 0),
                "squares": (36, self.squares[lane], 0),
            }
            for name, (shape, value, other) in one.items():
                term = Signal(shape, name=f"{name}_{lane}")
                m.d.sync += term.eq(Mux(tag.mask[lane], value, other))
                kept[name].append(term)
        largest1 = self._tree(m, kept["largest"], lambda a, b: Mux(a > b, a, b))
        total1 = self._tree(m, kept["total"], lambda a, b: a + b)
        squares1 = self._tree(m, kept["squares"], lambda a, b: a + b)
        stage = self.tag
        for number in range(1 + levels(self.spec.vector_lanes)):
            later = Signal(tag_layout(self.spec), name=f"stage{number}")
            m.d.sync += later.eq(stage)
            stage = later
        max_so_far, total_so_far = Signal(signed(16)), Signal(signed(32))
        squares_so_far = Signal(VALUE_BITS)
        max_now, total_now = Signal(signed(16)), Signal(signed(32))
        squares_now = Signal(VALUE_BITS)
        m.d.comb += [
            max_now.eq(Mux(stage.first | (largest1 > max_so_far), largest1, max_so_far)),
            total_now.eq(Mux(stage.first, 0, total_so_far) + total1),
            squares_now.eq(Mux(stage.first, 0, squares_so_far) + squares1),
        ]
        with m.If(stage.valid):
            m.d.sync += [
                max_so_far.eq(max_now),
                total_so_far.eq(total_now),
                squares_so_far.eq(squares_now),
            ]
        m.d.comb += [
            self.max_valid.eq(stage.valid & stage.largest & stage.last),
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
            sums.w_en.eq(stage.valid & (stage.square | stage.exponential) & stage.last),
            self.o.valid.eq(sums.r_rdy),
            self.o.payload.eq(sums.r_data),
            sums.r_en.eq(self.o.ready),
        ]
        return m

    def _tree(
        self, m: Module, terms: list[Signal], combine: Callable[[Value, Value], Value]
    ) -> Signal:
        """Bring terms together, up to ``RADIX`` between two registers."""
        while len(terms) > 1:
            merged = []
            for index in range(0, len(terms), RADIX):
                some: list[Value] = list(terms[index : index + RADIX])
                while len(some) > 1:
                    pairs = zip(some[::2], some[1::2], strict=False)
                    some = [*(combine(a, b) for a, b in pairs), *some[len(some) & ~1 :]]
                node = Signal(some[0].shape(), name=f"{terms[0].name}_{len(terms)}")
                m.d.sync += node.eq(some[0])
                merged.append(node)
            terms = merged
        return terms[0]
