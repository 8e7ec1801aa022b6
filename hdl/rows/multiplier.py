"""Plain rows: one multiplier per product, adder tree in the fabric."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib.wiring import Component

from hdl.rows.adder_tree import AdderTree, Term
from hdl.rows.block import RowBlockSignature, sum_bits
from models.cost.row_blocks import BlockKind, block_cost
from models.formats import CodeBook


class MultiplierRow(Component):
    """One row of any format: codes are decoded to their values and multiplied.

    The baseline of comparisons with the other blocks, and the fallback for formats without one.
    Latency two cycles plus that of the adder tree; throughput one beat per cycle.
    """

    kind = BlockKind.MULTIPLIER
    rows = 1

    def __init__(self, book: CodeBook, *, tokens: int, lanes: int, act_bits: int) -> None:
        self.book = book
        self.tokens, self.lanes, self.act_bits = tokens, lanes, act_bits
        self.width = sum_bits(lanes, act_bits, book.largest)
        self.tree = AdderTree(lanes)
        self.cost = block_cost(
            book,
            family="generic",
            tokens=tokens,
            lanes=lanes,
            act_bits=act_bits,
            kind=self.kind,
        )
        super().__init__(
            RowBlockSignature(
                rows=1,
                tokens=tokens,
                lanes=lanes,
                act_bits=act_bits,
                weight_bits=book.bits,
                width=self.width,
            )
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = self.book.largest.bit_length() + 1
        products = [[Term(0, 0)] * self.lanes for _ in range(self.tokens)]
        for lane in range(self.lanes):
            weight, value = Signal(signed(bits), name=f"w{lane}"), Signal(signed(bits))
            with m.Switch(self.weights[0][lane]):
                for code, number in enumerate(self.book.values.tolist()):
                    with m.Case(code):
                        m.d.comb += value.eq(number)
            with m.If(self.ce):
                m.d.sync += weight.eq(value)
            for token in range(self.tokens):
                x = Signal(signed(self.act_bits), name=f"x{token}_{lane}")
                product = Signal(signed(self.act_bits + bits), name=f"p{token}_{lane}")
                with m.If(self.ce):
                    m.d.sync += [x.eq(self.acts[token][lane]), product.eq(x * weight)]
                products[token][lane] = Term(product, 0)
        for token in range(self.tokens):
            terms = [Term(t.value, Signal(name="none")) for t in products[token]]
            value, carry = self.tree.build(m, self.ce, terms, self.width, f"t{token}")
            m.d.comb += [
                self.sums[0][token].value.eq(value),
                self.sums[0][token].carry.eq(carry),
            ]
        return m
