"""LUT rows of formats with few shifted multiples as values: powers of two, FP4, ternary, SP2."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.wiring import Component

from hdl.rows.block import RowBlockSignature, sum_bits
from hdl.rows.lane_chain import LaneChain
from hdl.rows.pair_mux import pair_mux
from hdl.rows.side_by_side import Numbers, fit, register, signed_parts
from models.cost.row_blocks import BlockKind, block_cost, selection_stages
from models.formats import CodeBook
from models.formats.shift_plan import FAR, NEAR, ZERO, Table, raw_bits, shift_plan


class ShiftRows(Component):
    """Rows of one format without any DSP, by its :class:`~models.formats.shift_plan.ShiftPlan`.

    The odd multiples of an activation are computed once for all rows. For each product a row
    selects in up to three steps:

    1. one of up to four variants of these multiples (one LUT level);
    2. one of up to four middle shifts, if the format needs them (one LUT level);
    3. 0, the number, or the number with the far shift; inverted for negative weights. This step
       merges with the adder in the chain over the lanes.

    Latency one cycle, plus one for each of steps 1 and 2 that exists, plus one for each lane;
    throughput one beat per cycle. Lane ``l`` is ``l`` cycles late, as in a cascade of DSP slices.

    Parameters
    ----------
    family : str
        ``generic``, ``xc7`` or ``xcup``.
    """

    kind = BlockKind.SHIFT

    def __init__(
        self, book: CodeBook, family: str, *, rows: int, tokens: int, lanes: int, act_bits: int
    ) -> None:
        plan = shift_plan(book)
        if plan is None:
            raise ValueError(f"shift rows must have a format of few odd factors, not {book.name}")
        self.book, self.plan, self.family = book, plan, family
        self.rows, self.tokens, self.lanes, self.act_bits = rows, tokens, lanes, act_bits
        self.width = sum_bits(lanes, act_bits, book.largest)
        self.chain = LaneChain(lanes, _inverted_bits(book, act_bits), family)
        self.stages = selection_stages(plan)
        self.cost = block_cost(
            book, family=family, tokens=tokens, lanes=lanes, act_bits=act_bits, kind=self.kind
        )
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        multiples = [self._multiples(m, lane) for lane in range(self.lanes)]
        for row in range(self.rows):
            terms, ones = [], []
            for lane in range(self.lanes):
                control = _Control(self, m, row, lane)
                terms.append(self._terms(m, multiples[lane], control, f"{row}_{lane}"))
                ones.append(control.negative)
            values, carry = self.chain.build(m, self.ce, terms, ones, f"t{row}")
            for token, value in enumerate(values):
                m.d.comb += [
                    self.sums[row][token].value.eq(value),
                    self.sums[row][token].carry.eq(carry),
                ]
        return m

    def _multiples(self, m: Module, lane: int) -> dict[int, Numbers]:
        """Return the registered odd multiples of every token's activation."""
        found = {}
        for odd in sorted({v // (v & -v) for v in self.plan.variants}):
            made = []
            for token in range(self.tokens):
                x = self.acts[token][lane]
                made.append({1: x, 3: x + (x << 1), 5: x + (x << 2), 7: (x << 3) - x}[odd])
            found[odd] = register(m, self.ce, made, self._bits(odd), f"x{odd}_{lane}")
        return found

    def _bits(self, multiple: int) -> int:
        return self.act_bits + (multiple - 1).bit_length()

    def _terms(
        self, m: Module, multiples: dict[int, Numbers], control: _Control, name: str
    ) -> Numbers:
        """Return each token's term of the chain, inverted for negative weights."""
        plan = self.plan
        choices: list[Numbers] = []
        for variant in plan.variants:
            odd = variant // (variant & -variant)
            choices.append([x << (variant // odd).bit_length() - 1 for x in multiples[odd]])
        numbers = choices[0]
        bits = self._bits(plan.variants[-1])
        if len(choices) > 1:
            if plan.variants == (1, 2):
                double = control.fine.second()
                pairs = [pair_mux(m, self.family, double, number) for number in choices[0]]
                chosen: Numbers = pairs
            else:
                chosen = control.fine.select(m, choices, bits, f"{name}_fine")
            numbers = register(m, self.ce, chosen, bits, f"f{name}")
        if len(plan.middle) > 1:
            bits += plan.middle[-1]
            moved: list[Numbers] = [[n << shift for n in numbers] for shift in plan.middle]
            chosen = control.coarse.select(m, moved, bits, f"{name}_coarse")
            numbers = register(m, self.ce, chosen, bits, f"m{name}")
        wide = self.chain.bits
        last = {
            ZERO: [Const(0, wide)] * self.tokens,
            NEAR: numbers,
            FAR: [number << plan.far for number in numbers],
        }
        inverted = Signal(wide * self.tokens, name=f"i{name}")
        straight = Cat(fit(n, wide) for n in control.state.select(m, last, wide, f"{name}_state"))
        m.d.comb += inverted.eq(straight ^ control.negative.replicate(len(inverted)))
        return signed_parts(inverted, wide)


def _inverted_bits(book: CodeBook, act_bits: int) -> int:
    """Bits of a product: as negation only inverts, ``-128 * -w`` is one less than its true value.

    The +1 that completes it is added later in the chain, so it needs no bit here.
    """
    return ((book.largest << act_bits - 1) - 1).bit_length() + 1


class _Control:
    """Select signals of a weight's code, shared by all tokens, each delayed to its use."""

    def __init__(self, rows: ShiftRows, m: Module, row: int, lane: int) -> None:
        code, plan, ce, name = rows.weights[row][lane], rows.plan, rows.ce, f"{row}_{lane}"
        last = 1 + rows.stages
        self.fine = _Select(m, ce, code, plan.fine, 1, f"fine{name}")
        self.coarse = _Select(m, ce, code, plan.coarse, 1 + (len(plan.variants) > 1), f"mid{name}")
        self.state = _Select(m, ce, code, plan.state, last, f"state{name}")
        sign = _Select(m, ce, code, plan.negative, last, f"sign{name}")
        self.negative = sign.bits[0]


class _Select:
    """One select signal: two bits of the raw code where they suffice, decoded bits otherwise."""

    def __init__(
        self, m: Module, ce: Value, code: Value, table: Table, late: int, name: str
    ) -> None:
        raw = raw_bits(table, len(code))
        if raw is None:
            self.options = {option: option for option in table if option is not None}
            now = Signal(2, name=f"{name}_decoded")
            with m.Switch(code):
                for number, option in enumerate(table):
                    with m.Case(number):
                        m.d.comb += now.eq(option or 0)
        else:
            now = Cat(code[bit] for bit in raw)
            self.options = {}
            for number, option in enumerate(table):
                if option is not None:
                    key = sum((number >> bit & 1) << i for i, bit in enumerate(raw))
                    self.options[key] = option
        for stage in range(late if raw != () else 0):
            later = Signal(len(now), name=f"{name}_{stage}")
            with m.If(ce):
                m.d.sync += later.eq(now)
            now = later
        self.bits = now

    def second(self) -> Value:
        """Flag: the second of two options is selected."""
        keys = [key for key, option in self.options.items() if option == 1]
        return self.bits.matches(*keys)

    def select(
        self, m: Module, choices: Sequence[Numbers] | dict[int, Numbers], bits: int, name: str
    ) -> Numbers:
        """Return the selected numbers, one for each token."""
        if len(self.options) == 1:
            (option,) = self.options.values()
            return choices[option]
        chosen = Signal(bits * len(choices[0]), name=name)
        with m.Switch(self.bits):
            for key, option in self.options.items():
                with m.Case(key):
                    m.d.comb += chosen.eq(Cat(fit(number, bits) for number in choices[option]))
        return signed_parts(chosen, bits)
