"""The grid of the array: row blocks, accumulators and drain; weights arrive with every beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hdl.engine.row_drain import RowDrain
from hdl.rows.adder_tree import add
from hdl.rows.kept_register import kept_register
from hdl.rows.lut import lut
from hdl.rows.side_by_side import chop, fit, signed_parts


class RowGrid(Component):
    """``rows x tokens`` accumulators behind any mixture of row blocks.

    Blocks differ in latency: the operands of the faster ones are delayed so that all sums of a
    beat arrive together. The delays of activations (for this, and for the skew of DSP cascades)
    are shared between blocks.

    Latency from the last beat of a K loop to its first results is that of the slowest block, plus
    one cycle, plus that of the drain (:class:`~hdl.engine.row_drain.RowDrain`). Throughput is one
    beat per cycle if a K loop has more beats than its drain, ``tokens * rows / drain`` cycles.

    The clock enable of all registers is itself a register: it is computed one cycle ahead from
    whether results will find the drain occupied. ``i.ready`` is that register, ``ahead`` what it
    will be in the next cycle. Every block, the delays and the handshake have a copy of their own.

    Parameters
    ----------
    blocks : row blocks (see :mod:`hdl.rows.block`), in the order of their rows
    acc_bits : bits of an accumulator
    drain : accumulators per beat of the output stream; must divide the rows
    order : rows in the order in which a token's results leave (default: ascending)
    short : rows drained, in ascending order, after a K loop that ends with ``short`` and ``last``
        set (default 0: the input has no member ``short``)
    """

    def __init__(
        self,
        blocks: Sequence[Any],
        *,
        acc_bits: int,
        drain: int,
        order: Sequence[int] | None = None,
        short: int = 0,
    ) -> None:
        self.blocks = list(blocks)
        first = self.blocks[0]
        self.tokens, self.lanes, self.act_bits = first.tokens, first.lanes, first.act_bits
        self.rows = sum(block.rows for block in self.blocks)
        if self.rows % drain:
            raise ValueError(f"drain must be a divisor of {self.rows} rows, not {drain}")
        self.acc_bits, self.drain = acc_bits, drain
        self.order = list(range(self.rows) if order is None else order)
        self.short = short
        self.family = next((b.family for b in self.blocks if hasattr(b, "family")), "generic")
        self.weight_bits = max(b.signature.members["weights"].shape.elem_shape.elem_shape
                               for b in self.blocks)  # fmt: skip
        acts = data.ArrayLayout(data.ArrayLayout(signed(self.act_bits), self.lanes), self.tokens)
        weights = data.ArrayLayout(data.ArrayLayout(self.weight_bits, self.lanes), self.rows)
        flags = {"last": 1, "short": 1} if short else {"last": 1}
        beat = data.StructLayout({"acts": acts, "weights": weights, **flags})
        accs = data.ArrayLayout(signed(acc_bits), drain)
        super().__init__(
            {
                "i": In(stream.Signature(beat)),
                "ahead": Out(1),
                "o": Out(stream.Signature(accs)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ce = Signal(init=1)
        m.d.comb += self.i.ready.eq(ce)
        delays: dict[tuple[object, int], Any] = {}
        copies = {
            name: Signal(init=1, name=f"ce_{name}", reset_less=True)
            for name in ("x", "w", *(f"block{i}" for i in range(len(self.blocks))))
        }
        for copy in copies.values():
            kept_register(m, self.family, self.ahead, copy)

        def delayed(value: Any, key: tuple[object, ...], cycles: int) -> Any:
            """Delay a value; uses of one ``key`` share their registers."""
            if cycles == 0:
                return value
            if (key, cycles) not in delays:
                before = delayed(value, key, cycles - 1)
                later = Signal(before.shape(), name=f"delay_{'_'.join(map(str, key))}_{cycles}")
                with m.If(copies.get(str(key[0]), ce)):
                    m.d.sync += later.eq(before)
                delays[key, cycles] = later
            return delays[key, cycles]

        slowest = max(block.cost.latency for block in self.blocks)
        results: list[list[Any]] = []
        row = 0
        for index, block in enumerate(self.blocks):
            m.submodules[f"block{index}"] = block
            m.d.comb += block.ce.eq(copies[f"block{index}"])
            bits = block.signature.members["weights"].shape.elem_shape.elem_shape
            for lane in range(self.lanes):
                late = block.cost.skew[lane] + slowest - block.cost.latency
                # One register for a lane of all tokens (or rows) keeps the Verilog short.
                acts = Cat(self.i.payload.acts[token][lane] for token in range(self.tokens))
                for token, x in enumerate(chop(delayed(acts, ("x", lane), late), self.act_bits)):
                    m.d.comb += block.acts[token][lane].eq(x)
                codes = Cat(
                    self.i.payload.weights[row + inner][lane][:bits] for inner in range(block.rows)
                )
                for inner, w in enumerate(chop(delayed(codes, ("w", row, lane), late), bits)):
                    m.d.comb += block.weights[inner][lane].eq(w)
            row += block.rows
        ending = Signal()
        m.d.comb += ending.eq(self.i.valid & self.i.payload.last)
        valid = delayed(self.i.valid, ("valid",), slowest)
        last = delayed(ending, ("last",), slowest)
        fresh = Signal(init=1)
        # The accumulators' enable, ``ce & valid``, is a register as well: it has as many pins.
        before = delayed(self.i.valid, ("valid",), slowest - 1)
        adds = Signal()
        m.d.sync += adds.eq(self.ahead & Mux(ce, before, valid))
        with m.If(adds):
            m.d.sync += fresh.eq(last)
        for block in self.blocks:
            results += self._accumulate(m, block, len(results), adds, fresh)
        done = delayed(ending, ("last",), slowest + 1)
        starts = range(0, self.tokens * self.rows, self.rows)
        m.submodules.drain = drain = RowDrain(
            bits=self.acc_bits,
            width=self.drain,
            beats=self.tokens * self.rows // self.drain,
            short=[at + self.order.index(row) for at in starts for row in range(self.short)],
            family=self.family,
        )
        if self.short:
            brief = delayed(self.i.payload.short, ("short",), slowest + 1)
            m.d.comb += drain.short.eq(brief)
        order = [results[r][t] for t in range(self.tokens) for r in self.order]
        m.d.comb += [one.eq(acc) for one, acc in zip(drain.sums, order, strict=True)]
        # Compute the clock enable and the drain's load one cycle ahead, so that both are
        # registered; six inputs each, so one LUT. The pipeline stops before complete sums would
        # reach an occupied drain.
        flags = (ce, last, done, drain.busy, drain.final, drain.o.ready)
        m.d.comb += self.ahead.eq(lut(m, self.family, _moves, flags))
        m.d.sync += [
            ce.eq(self.ahead),
            drain.load.eq(lut(m, self.family, _loads, flags)),
        ]
        connect(m, drain.o, flipped(self.o))
        return m

    def _accumulate(
        self, m: Module, block: Any, row: int, enable: Signal, fresh: Signal
    ) -> list[Sequence[Any]]:
        """Build an accumulator for each cell of a block: one adder each.

        The drain captures a finished sum in the cycle after its last beat, while the first beat of
        the next K loop overwrites it.
        """
        lines = []
        for inner in range(block.rows):
            line = Signal(self.acc_bits * self.tokens, name=f"acc{row + inner}")
            accs = signed_parts(line, self.acc_bits)
            sums = [
                add(term.value, Mux(fresh, 0, acc), term.carry)
                for term, acc in zip(block.sums[inner], accs, strict=True)
            ]
            with m.If(enable):
                m.d.sync += line.eq(Cat(fit(value, self.acc_bits) for value in sums))
            lines.append(accs)
        return lines


def _free(busy: int, final: int, ready: int) -> bool:
    """Flag: the drain may be loaded in the next cycle, provided it is not loaded in this one."""
    return not busy or bool(final and ready)


def _moves(ce: int, last: int, done: int, busy: int, final: int, ready: int) -> bool:
    free = _free(busy, final, ready)
    return (not last or (free and not done)) if ce else free


def _loads(ce: int, last: int, done: int, busy: int, final: int, ready: int) -> bool:
    free = _free(busy, final, ready)
    return bool(last and free and not done) if ce else free
