"""A chain of adders over the lanes: the logic that forms a term merges with the term's adder."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value

from hdl.rows.carry_add import carry_add
from hdl.rows.side_by_side import chop


class LaneChain:
    """A sum of ``count`` terms of ``bits`` bits; term ``i`` arrives ``i`` cycles after the first.

    A tree would need all terms in registers. Here the partial sum takes the direct input of each
    adder, which leaves five inputs of every bit's LUT for logic that selects, shifts or inverts
    the term: that level of logic is free. One LUT level and one carry chain between registers.
    Latency ``count`` cycles from the first term; throughput one sum per cycle.

    The +1 that completes the negation of an inverted term enters the next adder's carry input; the
    last one leaves with the sum, for the accumulator's carry input.

    Terms are added in offset binary (sign bit inverted): a sign extension would need a LUT for
    each upper bit of the adder. Each term so adds an excess of ``2**(bits - 1)``. The last adder
    removes it by constants in its upper bits, which needs a multiple of ``2**bits``: for an odd
    ``count`` the first term adds the excess twice.
    """

    def __init__(self, count: int, bits: int, family: str) -> None:
        self.count, self.bits, self.family = count, bits, family
        self.latency = count
        self.width = bits + (count - 1).bit_length()
        """Bits of the signed sum."""

    def _width(self, terms: int) -> int:
        """Bits of the partial sum of ``terms`` terms, at most those of the whole sum."""
        return min(self.width, self.bits + (terms - 1 + self.count % 2).bit_length())

    def build(
        self,
        m: Module,
        ce: Value,
        terms: Sequence[Sequence[Value]],
        ones: Sequence[Value],
        name: str,
    ) -> tuple[list[Value], Value]:
        """Return a row's sums for every token without the last carry, and that carry.

        ``terms`` are signed numbers by lane and token, ``ones`` the negation carries by lane. One
        register holds the sums of all tokens, which makes the Verilog much shorter than one
        register per token would.
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
        """Convert a term to offset binary; subtract the whole sum's excess from the last term."""
        if self.count == 1:
            return value[: self.bits]
        rest, sign = value[: self.bits - 1], value[self.bits - 1]
        if index == 0 and self.count % 2:
            return Cat(rest, sign, ~sign)
        excess = (self.count + 1) // 2 if index == self.count - 1 else 0
        upper = width - self.bits
        return Cat(rest, ~sign, Const(-excess % (1 << upper), upper))
