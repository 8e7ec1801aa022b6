"""LUT rows of one-bit weights: sums and differences of pairs, shared by all rows."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component

from hdl.rows.block import RowBlockSignature, sum_bits
from hdl.rows.lane_chain import LaneChain
from hdl.rows.side_by_side import signed_parts
from models.cost.row_blocks import BlockKind, block_cost
from models.formats import Binary


class BinaryRows(Component):
    """All rows of binary weights (0 is +1, 1 is -1).

    ``+-a +-b`` is ``+-(a + b)`` or ``+-(a - b)``: sum and difference are computed once per token
    and pair of lanes. Each row selects and inverts them within the LUTs of its chain of adders, one
    adder per pair: a row costs half an adder per lane and nothing else.

    Latency two cycles plus one for each pair after the first; throughput one beat per cycle.

    Parameters
    ----------
    family : str
        ``generic``, ``xc7`` or ``xcup``.
    """

    kind = BlockKind.BINARY

    def __init__(self, family: str, *, rows: int, tokens: int, lanes: int, act_bits: int) -> None:
        self.family = family
        self.rows, self.tokens, self.lanes = rows, tokens, lanes
        self.act_bits = act_bits
        self.width = sum_bits(lanes, act_bits, 1)
        self.pairs = (lanes + 1) // 2
        self.chain = LaneChain(self.pairs, act_bits + 1, family)
        self.cost = block_cost(
            Binary(),
            family=family,
            tokens=tokens,
            lanes=lanes,
            act_bits=act_bits,
            kind=self.kind,
        )
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        controls = {}
        for row in range(self.rows):
            for pair in range(self.pairs):
                first, second = self._pair(self.weights[row], pair)
                negative = Signal(name=f"negative{row}_{pair}")
                unequal = Signal(name=f"unequal{row}_{pair}")
                with m.If(self.ce):
                    m.d.sync += [negative.eq(first), unequal.eq(first ^ second)]
                controls[row, pair] = negative, unequal
        bits = self.act_bits + 1
        shared = []
        for pair in range(self.pairs):
            both = [self._pair(self.acts[token], pair) for token in range(self.tokens)]
            sums = Signal(bits * self.tokens, name=f"sums{pair}")
            differences = Signal(bits * self.tokens, name=f"differences{pair}")
            with m.If(self.ce):
                m.d.sync += [
                    sums.eq(Cat((a + b)[:bits] for a, b in both)),
                    differences.eq(Cat((a - b)[:bits] for a, b in both)),
                ]
            shared.append((sums, differences))
        for row in range(self.rows):
            terms, ones = [], []
            for pair, (sums, differences) in enumerate(shared):
                negative, unequal = controls[row, pair]
                line = Signal(bits * self.tokens, name=f"v{row}_{pair}")
                m.d.comb += line.eq(Mux(unequal, differences, sums) ^ negative.replicate(len(line)))
                terms.append(signed_parts(line, bits))
                ones.append(negative)
            values, carry = self.chain.build(m, self.ce, terms, ones, f"t{row}")
            for token, value in enumerate(values):
                m.d.comb += [
                    self.sums[row][token].value.eq(value),
                    self.sums[row][token].carry.eq(carry),
                ]
        return m

    def _pair(self, lanes: Any, pair: int) -> tuple[Value, Value]:
        """Return two neighbouring lanes; the last lane of an odd number is paired with 0."""
        first = lanes[2 * pair]
        if 2 * pair + 1 < self.lanes:
            return first, lanes[2 * pair + 1]
        return first, Const(0, first.shape())
