"""Row-wise digital array: an output-stationary grid of dot-product cells."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, connect, flipped

from hdl.engine.contract import EngineSignature
from hdl.engine.weight_store import WeightStore
from models.cost.pipelines import RADIX
from models.machine.spec import MachineSpec


class DigitalArray(Component):
    """``rows x tokens`` cells of ``lanes`` multipliers and an accumulator each.

    Two weight banks: one is used while the other is filled. Latency from the last beat of a K loop
    to its first accumulators is three cycles plus one for each level of the adder tree, which adds
    four terms (eight lanes: five cycles). Throughput is one beat per cycle if a K loop has at
    least as many beats as its drain, ``tokens * rows / vector_lanes``. A beat waits (``ready``
    low) while its tile is incomplete or the drain is blocked.

    Parameters
    ----------
    spec : MachineSpec
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        super().__init__(EngineSignature(spec))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.store = store = WeightStore(spec)
        connect(m, flipped(self.i_weights), store.i_weights)
        ce, accept = Signal(), Signal()
        k = Signal(range(spec.depth_entries))
        acts = self.i_acts.payload
        m.d.comb += [
            self.i_acts.ready.eq(ce & store.full),
            accept.eq(self.i_acts.valid & self.i_acts.ready),
            store.entry.eq(k),
            store.enable.eq(ce),
            store.release.eq(accept & acts.last & acts.release),
        ]
        with m.If(accept):
            m.d.sync += k.eq(Mux(acts.last, 0, k + 1))
        weights = store.rows
        sums, valid, last = self._products(m, weights, ce=ce, accept=accept)
        self._accumulate(m, sums, valid=valid, last=last, ce=ce)
        return m

    def _products(
        self, m: Module, weights: data.View, *, ce: Signal, accept: Signal
    ) -> tuple[list[list[Signal]], Signal, Signal]:
        """Build operand registers, multipliers and a registered tree of four-input adders."""
        spec = self.spec
        acts = Signal(self.i_acts.payload["values"].shape())
        valid, last = Signal(), Signal()
        with m.If(ce):
            m.d.sync += [
                acts.eq(self.i_acts.payload["values"]),
                valid.eq(accept),
                last.eq(accept & self.i_acts.payload.last),
            ]
        width = spec.weight_width + spec.act_width
        sums = []
        depth = 0
        for row in range(spec.rows):
            line = []
            for token in range(spec.tokens):
                terms = []
                for lane in range(spec.lanes):
                    product = Signal(signed(width), name=f"p{row}_{token}_{lane}")
                    with m.If(ce):
                        m.d.sync += product.eq(weights[row][lane].as_signed() * acts[token][lane])
                    terms.append(product)
                level = 0
                while len(terms) > 1:
                    merged = []
                    for index in range(0, len(terms), RADIX):
                        group = terms[index : index + RADIX]
                        total = Signal(
                            signed(max(len(t) for t in group) + 2), name=f"s{row}_{token}_{level}"
                        )
                        with m.If(ce):
                            m.d.sync += total.eq(sum(group[1:], group[0]))
                        merged.append(total)
                    terms = merged
                    level += 1
                depth = level
                line.append(terms[0])
            sums.append(line)
        # Delay valid and last as the sums are: one cycle for the product, one per tree level.
        for stage in range(depth + 1):
            valid_next = Signal(name=f"valid{stage}")
            last_next = Signal(name=f"last{stage}")
            with m.If(ce):
                m.d.sync += [valid_next.eq(valid), last_next.eq(last)]
            valid, last = valid_next, last_next
        return sums, valid, last

    def _accumulate(
        self, m: Module, sums: list[list[Signal]], *, valid: Signal, last: Signal, ce: Signal
    ) -> None:
        """Build the accumulators, and the drain registers that free them for the next K loop."""
        spec = self.spec
        first = Signal(init=1)
        beats = spec.tokens * spec.rows // spec.vector_lanes
        left = Signal(range(beats + 1))
        results = []
        with m.If(ce & valid):
            m.d.sync += first.eq(last)
        taken = self.o_accs.valid & self.o_accs.ready
        load = Signal()
        m.d.comb += [
            # With a drain of one beat `left` cannot exceed 1.
            ce.eq(~(last & ((left > 1 if beats > 1 else 0) | ((left == 1) & ~taken)))),
            load.eq(ce & last),
            self.o_accs.valid.eq(left != 0),
        ]
        with m.If(load):
            m.d.sync += left.eq(beats)
        with m.Elif(taken):
            m.d.sync += left.eq(left - 1)
        for token in range(spec.tokens):
            for row in range(spec.rows):
                acc = Signal(signed(spec.acc_width), name=f"acc{row}_{token}")
                total = Signal(signed(spec.acc_width), name=f"total{row}_{token}")
                m.d.comb += total.eq(Mux(first, 0, acc) + sums[row][token])
                with m.If(ce & valid):
                    m.d.sync += acc.eq(total)
                results.append(total)
        # Shift the drain registers by one output beat, which avoids a wide multiplexer.
        lanes = spec.vector_lanes
        held = [Signal(signed(spec.acc_width), name=f"held{i}") for i in range(len(results))]
        for index, register in enumerate(held):
            following = held[index + lanes] if index + lanes < len(held) else register
            with m.If(load):
                m.d.sync += register.eq(results[index])
            with m.Elif(taken):
                m.d.sync += register.eq(following)
        for lane in range(lanes):
            m.d.comb += self.o_accs.payload[lane].eq(held[lane])
