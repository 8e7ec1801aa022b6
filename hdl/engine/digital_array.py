"""Row-wise digital array: an output-stationary grid of dot-product cells."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import Component, connect, flipped

from hdl.engine.contract import EngineSignature
from hdl.engine.weight_store import WeightStore
from models.cost.pipelines import RADIX, chain_lengths
from models.machine.spec import MachineSpec

DRAIN_QUEUE = 4
"""Beats between drain and output: one a cycle, though a place counts as free four cycles later."""


class DigitalArray(Component):
    """``rows x tokens`` cells of ``lanes`` multipliers and an accumulator each.

    Weight tiles wait in a ring; the oldest one is used. Up to four lanes are a chain: each adds
    its product to the sum of the one before, and gets its operands a cycle later, as the cascades
    of DSP slices want it. A tree of four-term adders brings the chains together. Latency from the
    last beat of a K loop to its first accumulators is :func:`models.cost.pipelines.digital_latency`
    (eight lanes: eleven cycles). Throughput is one beat per cycle if a K loop has at
    least as many beats as its drain, ``tokens * rows / vector_lanes``. A beat waits (``ready``
    low) while its tile is incomplete or the drain is blocked.

    Parameters
    ----------
    spec : MachineSpec
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        super().__init__(EngineSignature(spec))
        self._drained = Signal(self.o_accs.payload.shape().size)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.store = store = WeightStore(spec)
        connect(m, flipped(self.i_weights), store.i_weights)
        ce, accept = Signal(init=1), Signal()
        acts = self.i_acts.payload
        # The enable of all registers drives too many of them to be part of the handshake.
        later, opened = Signal(), Signal()
        m.d.sync += [ce.eq(later), opened.eq(later & store.ready)]
        m.d.comb += [
            self.i_acts.ready.eq(opened),
            accept.eq(self.i_acts.valid & self.i_acts.ready),
            store.step.eq(accept),
            store.last.eq(acts.last),
            store.enable.eq(ce),
            store.release.eq(accept & acts.last & acts.release),
        ]
        weights = store.rows
        sums, valid, last, before = self._products(m, weights, ce=ce, accept=accept)
        self._accumulate(m, sums, valid=valid, last=last, before=before, ce=ce, later=later)
        return m

    def _products(
        self, m: Module, weights: data.View, *, ce: Signal, accept: Signal
    ) -> tuple[list[list[Signal]], Signal, Signal, Signal]:
        """Build operand registers, chains of multipliers, and a tree of four-input adders."""
        spec = self.spec
        acts = Signal(self.i_acts.payload["values"].shape(), reset_less=True)
        valid, last = Signal(), Signal()
        with m.If(ce):
            m.d.sync += [
                acts.eq(self.i_acts.payload["values"]),
                valid.eq(accept),
                last.eq(accept & self.i_acts.payload.last),
            ]

        def delayed(value: Any, name: str, cycles: int) -> Signal:
            for cycle in range(cycles):
                register = Signal(value.shape(), name=f"{name}_{cycle}", reset_less=True)
                with m.If(ce):
                    m.d.sync += register.eq(value)
                value = register
            return value

        width = spec.weight_width + spec.act_width
        sums = []
        depth = 0
        chains = chain_lengths(spec.lanes)
        longest = max(chains)
        # A shorter chain begins later, so that all end together. One register more than the chain
        # needs is that of a memory's output.
        late = [1 + longest - length + place for length in chains for place in range(length)]
        x = [
            [delayed(acts[t][n], f"x{t}_{n}", late[n]) for n in range(spec.lanes)]
            for t in range(spec.tokens)
        ]
        w = [
            [delayed(weights[r][n].as_signed(), f"w{r}_{n}", late[n]) for n in range(spec.lanes)]
            for r in range(spec.rows)
        ]
        for row in range(spec.rows):
            line = []
            for token in range(spec.tokens):
                terms: list[Signal] = []
                lane = 0
                for length in chains:
                    for place in range(length):
                        name = f"{row}_{token}_{lane}"
                        product = Signal(signed(width), name=f"p{name}", reset_less=True)
                        total = Signal(signed(width + 2), name=f"c{name}", reset_less=True)
                        with m.If(ce):
                            m.d.sync += [
                                product.eq(w[row][lane] * x[token][lane]),
                                total.eq(product + terms.pop() if place else product),
                            ]
                        terms.append(total)
                        lane += 1
                level = 0
                while len(terms) > 1:
                    merged = []
                    for index in range(0, len(terms), RADIX):
                        group = terms[index : index + RADIX]
                        total = Signal(
                            signed(max(len(t) for t in group) + 2),
                            name=f"s{row}_{token}_{level}",
                            reset_less=True,
                        )
                        with m.If(ce):
                            m.d.sync += total.eq(sum(group[1:], group[0]))
                        merged.append(total)
                    terms = merged
                    level += 1
                depth = level
                line.append(terms[0])
            sums.append(line)
        # Delay valid and last as the sums are: one cycle each for memory and product, one per lane
        # of a chain, one per tree level.
        before = last
        for stage in range(2 + longest + depth):
            valid_next = Signal(name=f"valid{stage}")
            last_next = Signal(name=f"last{stage}")
            with m.If(ce):
                m.d.sync += [valid_next.eq(valid), last_next.eq(last)]
            before, valid, last = last, valid_next, last_next
        return sums, valid, last, before

    def _accumulate(
        self,
        m: Module,
        sums: list[list[Signal]],
        *,
        valid: Signal,
        last: Signal,
        before: Signal,
        ce: Signal,
        later: Signal,
    ) -> None:
        """Build the accumulators, and the drain registers that free them for the next K loop.

        The clock enable is a register (``later`` is what it will be): it is computed one cycle
        ahead from the flag ``last`` of the stage ``before`` and from what the drain will hold. So
        the drain must know one cycle ahead whether its beat will leave, which a queue with places
        to spare makes sure of.
        """
        spec = self.spec
        first = Signal(init=1)
        beats = spec.tokens * spec.rows // spec.vector_lanes
        left = Signal(range(beats + 1))
        results = []
        with m.If(ce & valid):
            m.d.sync += first.eq(last)
        load, taken, free = Signal(), Signal(), Signal()
        go, some, one = Signal(init=1), Signal(), Signal()  # some, one: beats that are left
        ahead = {name: Signal(name=f"{name}_ahead") for name in ("last", "go", "some", "one")}
        m.d.comb += [
            load.eq(ce & last),
            taken.eq(some & go),
            ahead["last"].eq(Mux(ce, before, last)),
            ahead["some"].eq(load | (some & ~(taken & one))),
            ahead["one"].eq(Mux(load, beats == 1, Mux(taken, left == 2, one))),
            later.eq(~ahead["last"] | free),
            free.eq(~ahead["some"] | (ahead["one"] & ahead["go"])),
        ]
        m.d.sync += [
            *(now.eq(ahead[n]) for n, now in (("go", go), ("some", some), ("one", one))),
        ]
        with m.If(load):
            m.d.sync += left.eq(beats)
        with m.Elif(taken):
            m.d.sync += left.eq(left - 1)
        self._queue(m, taken, ahead["go"])
        for token in range(spec.tokens):
            for row in range(spec.rows):
                acc = Signal(signed(spec.acc_width), name=f"acc{row}_{token}", reset_less=True)
                total = Signal(signed(spec.acc_width), name=f"total{row}_{token}")
                m.d.comb += total.eq(Mux(first, 0, acc) + sums[row][token])
                with m.If(ce & valid):
                    m.d.sync += acc.eq(total)
                results.append(total)
        # Shift the drain registers by one output beat, which avoids a wide multiplexer.
        lanes = spec.vector_lanes
        held = [
            Signal(signed(spec.acc_width), name=f"held{i}", reset_less=True)
            for i in range(len(results))
        ]
        for index, register in enumerate(held):
            following = held[index + lanes] if index + lanes < len(held) else register
            with m.If(load):
                m.d.sync += register.eq(results[index])
            with m.Elif(taken):
                m.d.sync += register.eq(following)
        m.d.comb += self._drained.eq(Cat(held[:lanes]))

    def _queue(self, m: Module, taken: Signal, go: Signal) -> None:
        """Build the queue behind the drain; ``go``: it has room in the next cycle."""
        depth = DRAIN_QUEUE
        m.submodules.queue = queue = SyncFIFOBuffered(
            width=self.o_accs.payload.shape().size, depth=depth
        )
        # What leaves is counted a cycle late, as readiness may come from afar.
        count, gone = Signal(range(depth + 1)), Signal()
        following = Signal.like(count)
        m.d.comb += [
            following.eq(count + taken - gone),
            go.eq(following < depth),
            queue.w_en.eq(taken),
            queue.w_data.eq(self._drained),
            self.o_accs.valid.eq(queue.r_rdy),
            self.o_accs.payload.eq(queue.r_data),
            queue.r_en.eq(self.o_accs.ready),
        ]
        m.d.sync += [count.eq(following), gone.eq(queue.r_rdy & queue.r_en)]
