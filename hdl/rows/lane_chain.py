"""Adds up one lane after another: what makes a term merges with the adder that takes it."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value

from hdl.rows.carry_add import carry_add
from hdl.rows.side_by_side import chop


class LaneChain:
    """A sum of ``count`` terms of ``bits`` bits; term ``i`` comes ``i`` cycles after the first.

    A tree would need all terms in registers. Here each adder has the sum so far on its direct
    input, which leaves five inputs of every bit's LUT to whatever selects, shifts or inverts the
    term: that level of logic is free. One LUT level and one carry chain between registers.
    Latency ``count`` cycles from the first term; throughput one sum a cycle.

    The one missing from an inverted term rides on the next adder's carry input; the last leaves
    with the sum, for the accumulator's.

    Terms are added with their sign bits inverted, as numbers from 0 on: a sign would go to all
    upper bits of its adder, behind a LUT of its own. What that adds to the sum, half of
    ``2**bits`` for each term, the last adder takes away by constants in its upper bits; of an odd
    number of terms the first one brings another half, to make that possible.
    """

    def __init__(self, count: int, bits: int, family: str) -> None:
        self.count, self.bits, self.family = count, bits, family
        self.latency = count
        self.width = bits + (count - 1).bit_length()
        """Signed bits of the sum."""

    def _width(self, terms: int) -> int:
        """Bits of a sum of so many terms, no more than the last sum has."""
        return min(self.width, self.bits + (terms - 1 + self.count % 2).bit_length())

    def build(
        self,
        m: Module,
        ce: Value,
        terms: Sequence[Sequence[Value]],
        ones: Sequence[Value],
        name: str,
    ) -> tuple[list[Value], Value]:
        """A row's sums of every token, without the last missing one, and that one.

        ``terms`` are signed numbers by lane and token, ``ones`` the missing ones by lane. All
        tokens' sums are one register: the Verilog is a fraction of what one for each would take.
        """
        totals, pending = list(terms[0]), ones[0]
        for index, line in enumerate(terms):
            width = self._width(index + 1)
            register = Signal(width * len(line), name=f"{name}_{index}")
            carry = Signal(name=f"{name}_{index}_carry")
            values = [self._raised(value, index, width) for value in line]
            if index:
                values = [
                    carry_add(m, self.family, total, value, pending, width)
                    for total, value in zip(totals, values, strict=True)
                ]
            with m.If(ce):
                m.d.sync += [register.eq(Cat(values)), carry.eq(ones[index])]
            totals, pending = chop(register, width), carry
        return [total.as_signed() for total in totals], pending

    def _raised(self, value: Value, index: int, width: int) -> Value:
        """The term from 0 on; the last one less all that the sum has in excess."""
        if self.count == 1:
            return value[: self.bits]
        rest, sign = value[: self.bits - 1], value[self.bits - 1]
        if index == 0 and self.count % 2:
            return Cat(rest, sign, ~sign)
        excess = (self.count + 1) // 2 if index == self.count - 1 else 0
        upper = width - self.bits
        return Cat(rest, ~sign, Const(-excess % (1 << upper), upper))
