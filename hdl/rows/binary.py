"""LUT rows of one-bit weights: sums and differences of pairs, shared by all rows."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib.wiring import Component

from hdl.rows.adder_tree import AdderTree, Term
from hdl.rows.block import RowBlockSignature, sum_bits


class BinaryRows(Component):
    """All rows of binary weights (0 is +1, 1 is -1).

    ``+-a +-b`` is ``+-(a + b)`` or ``+-(a - b)``: both are made once a token and pair of lanes; a
    row only picks and inverts, and half of an adder tree is left to it.
    """

    dsps = 0

    def __init__(self, *, rows: int, tokens: int, lanes: int, act_bits: int) -> None:
        if lanes % 2:
            raise ValueError(f"lanes must be even for binary rows, not {lanes}")
        self.rows, self.tokens, self.lanes = rows, tokens, lanes
        self.act_bits = act_bits
        self.width = sum_bits(lanes, act_bits, 1)
        self.tree = AdderTree(lanes // 2)
        self.latency = 2 + self.tree.latency
        super().__init__(
            RowBlockSignature(
                rows=rows,
                tokens=tokens,
                lanes=lanes,
                act_bits=act_bits,
                weight_bits=1,
                width=self.width,
            )
        )

    def skew(self, lane: int) -> int:
        """No cascade, no skew."""
        return 0

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pairs = self.lanes // 2
        controls = []
        for row in range(self.rows):
            line = []
            for pair in range(pairs):
                first, second = self.weights[row][2 * pair], self.weights[row][2 * pair + 1]
                negative = Signal(name=f"negative{row}_{pair}")
                unequal = Signal(name=f"unequal{row}_{pair}")
                with m.If(self.ce):
                    m.d.sync += [negative.eq(first), unequal.eq(first ^ second)]
                line.append((negative, unequal))
            controls.append(line)
        bits = self.act_bits + 1
        for token in range(self.tokens):
            shared = []
            for pair in range(pairs):
                a, b = self.acts[token][2 * pair], self.acts[token][2 * pair + 1]
                total = Signal(signed(bits), name=f"sum{token}_{pair}")
                difference = Signal(signed(bits), name=f"difference{token}_{pair}")
                with m.If(self.ce):
                    m.d.sync += [total.eq(a + b), difference.eq(a - b)]
                shared.append((total, difference))
            for row in range(self.rows):
                terms = []
                for pair, (total, difference) in enumerate(shared):
                    negative, unequal = controls[row][pair]
                    value = Signal(signed(bits), name=f"v{row}_{token}_{pair}")
                    pending = Signal(name=f"c{row}_{token}_{pair}")
                    with m.If(self.ce):
                        m.d.sync += [
                            value.eq(Mux(unequal, difference, total) ^ negative.replicate(bits)),
                            pending.eq(negative),
                        ]
                    terms.append(Term(value, pending))
                value, carry = self.tree.build(m, self.ce, terms, self.width, f"t{row}_{token}")
                m.d.comb += [
                    self.sums[row][token].value.eq(value),
                    self.sums[row][token].carry.eq(carry),
                ]
        return m
