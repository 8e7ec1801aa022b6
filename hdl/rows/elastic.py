"""LUT rows: powers of two and FP4-like weights, by shifts."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import Component

from hdl.rows.adder_tree import AdderTree, Term
from hdl.rows.block import RowBlockSignature, sum_bits
from models.formats import ElasticSignificantBits


def _variants(book: ElasticSignificantBits) -> tuple[list[int], int]:
    """Magnitudes the first level chooses from, and the second level's shift (0: none)."""
    multiples = (1, 3) if book.significant else (1,)
    magnitudes = sorted({abs(int(v)) for v in book.grid} - {0})
    fine = 4 // len(multiples)
    variants = [m << s for s in range(fine) for m in multiples if m << s in magnitudes]
    return variants, 0 if magnitudes[-1] <= variants[-1] else fine


class ElasticRows(Component):
    """Rows of :class:`~models.formats.ElasticSignificantBits` weights without any DSP.

    A weight's magnitude is an odd multiple (1, or 1 and 3 with a mantissa bit) shifted left. The
    array makes the multiples of an activation once, for all rows. A row then takes two LUT levels:

    1. one of four variants (multiples, each shifted by the fine shifts): 4 data, 2 select inputs;
    2. one of two coarse shifts, inverted for negative weights, or zero: 5 inputs.

    With at most three variants the second level is not needed: sign and zero fit into the first.
    The one that completes a negation rides on the adders' carry inputs.
    """

    dsps = 0

    def __init__(
        self, book: ElasticSignificantBits, *, rows: int, tokens: int, lanes: int, act_bits: int
    ) -> None:
        if not self.takes(book):
            raise ValueError(f"elastic rows must have format pot3, pot4 or esb4.1, not {book.name}")
        self.variants, self.coarse = _variants(book)
        self.book = book
        self.rows, self.tokens, self.lanes, self.act_bits = rows, tokens, lanes, act_bits
        self.width = sum_bits(lanes, act_bits, book.largest)
        self.tree = AdderTree(lanes)
        # The multiples take a cycle; then the two levels (or one) and the tree.
        self.latency = 1 + (2 if self.coarse else 1) + self.tree.latency
        super().__init__(
            RowBlockSignature(
                rows=rows,
                tokens=tokens,
                lanes=lanes,
                act_bits=act_bits,
                weight_bits=book.bits,
                width=self.width,
            )
        )

    @staticmethod
    def takes(book: ElasticSignificantBits) -> bool:
        """Whether the two levels reach all values of the format."""
        variants, coarse = _variants(book)
        known = {v << s for v in variants for s in (0, coarse)}
        return book.significant <= 1 and {abs(int(v)) for v in book.grid} - {0} <= known

    def skew(self, lane: int) -> int:
        """No cascade, no skew."""
        return 0

    def elaborate(self, platform: object) -> Module:
        m = Module()
        multiples = {
            (token, lane): self._multiples(m, token, lane)
            for token in range(self.tokens)
            for lane in range(self.lanes)
        }
        for row in range(self.rows):
            controls = [self._control(m, row, lane) for lane in range(self.lanes)]
            for token in range(self.tokens):
                terms = [
                    self._product(
                        m, multiples[token, lane], controls[lane], f"{row}_{token}_{lane}"
                    )
                    for lane in range(self.lanes)
                ]
                value, carry = self.tree.build(m, self.ce, terms, self.width, f"t{row}_{token}")
                m.d.comb += [
                    self.sums[row][token].value.eq(value),
                    self.sums[row][token].carry.eq(carry),
                ]
        return m

    def _multiples(self, m: Module, token: int, lane: int) -> dict[int, Signal]:
        """Odd multiples of an activation, registered."""
        x = self.acts[token][lane]
        found = {}
        for multiple in sorted({v >> ((v & -v).bit_length() - 1) for v in self.variants}):
            bits = self.act_bits + (multiple - 1).bit_length()
            value = Signal(signed(bits), name=f"x{multiple}_{token}_{lane}")
            with m.If(self.ce):
                m.d.sync += value.eq(x if multiple == 1 else x + (x << 1))
            found[multiple] = value
        return found

    def _control(self, m: Module, row: int, lane: int) -> dict[str, Signal]:
        """A weight's code decoded, once for all tokens; the second level's part a cycle later."""
        code = self.weights[row][lane]
        name = f"{row}_{lane}"
        variant, far = Signal(2, name=f"variant{name}"), Signal(name=f"far{name}")
        negative, live = Signal(name=f"negative{name}"), Signal(name=f"live{name}")
        table_variant, table_far = Const(0, 2), Const(0, 1)
        table_live, table_negative = Const(0, 1), Const(0, 1)
        for number, value in enumerate(self.book.values.tolist()):
            hit = code == number
            if not value:
                continue
            near = abs(value) in self.variants
            base = abs(value) if near else abs(value) >> self.coarse
            table_variant = Mux(hit, self.variants.index(base), table_variant)
            table_far = Mux(hit, int(not near), table_far)
            table_live = Mux(hit, 1, table_live)
            table_negative = Mux(hit, int(value < 0), table_negative)
        single = not self.coarse
        with m.If(self.ce):
            m.d.sync += [
                variant.eq(Mux(table_live, table_variant, 3) if single else table_variant),
                far.eq(table_far),
                negative.eq(table_negative),
                live.eq(table_live),
            ]
        if single:
            return {"variant": variant, "negative": negative}
        late = {}
        for key, signal in (("far", far), ("negative", negative), ("live", live)):
            later = Signal(name=f"{key}{name}_late")
            with m.If(self.ce):
                m.d.sync += later.eq(signal)
            late[key] = later
        return {"variant": variant, **late}

    def _product(
        self, m: Module, multiples: dict[int, Signal], control: dict[str, Signal], name: str
    ) -> Term:
        """The product, inverted for negative weights, and the one then missing."""
        choices: list[Value] = []
        for variant in self.variants:
            shift = (variant & -variant).bit_length() - 1
            choices.append(multiples[variant >> shift] << shift)
        bits = max(len(c) for c in choices)
        first, chosen = Signal(signed(bits), name=f"f{name}"), Signal(signed(bits), name=f"c{name}")
        with m.Switch(control["variant"]):
            for index, choice in enumerate(choices):
                with m.Case(index):
                    m.d.comb += chosen.eq(choice)
        negative = control["negative"]
        pending = Signal(name=f"n{name}")
        if not self.coarse:
            with m.If(self.ce):
                m.d.sync += [first.eq(chosen ^ negative.replicate(bits)), pending.eq(negative)]
            return Term(first, pending)
        # Inverted numbers need one value less than negated ones: x * w of full size fits.
        wide = ((self.book.largest << self.act_bits - 1) - 1).bit_length() + 1
        second = Signal(signed(wide), name=f"s{name}")
        moved = Signal(signed(wide), name=f"m{name}")
        m.d.comb += moved.eq(Mux(control["far"], first << self.coarse, first))
        with m.If(self.ce):
            m.d.sync += [
                first.eq(chosen),
                second.eq(Mux(control["live"], moved ^ negative.replicate(wide), 0)),
                pending.eq(negative),
            ]
        return Term(second, pending)
