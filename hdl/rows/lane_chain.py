"""Adds up one lane after another: what makes a term merges with the adder that takes it."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value, signed

from hdl.rows.adder_tree import Term
from hdl.rows.carry_add import carry_add


class LaneChain:
    """A sum of ``count`` terms; term ``i`` comes ``i`` cycles after the first.

    A tree would need all terms in registers. Here each adder has the sum so far on its direct
    input, which leaves five inputs of every bit's LUT to whatever selects, shifts or inverts the
    term: that level of logic is free. One LUT level and one carry chain between registers.
    Latency ``count`` cycles from the first term; throughput one sum a cycle.

    The one missing from an inverted term rides on the next adder's carry input; the last leaves
    with the sum, for the accumulator's.
    """

    def __init__(self, count: int, largest: int, family: str) -> None:
        """Magnitudes of terms are at most ``largest``."""
        self.count, self.largest, self.family = count, largest, family
        self.latency = count

    def bits(self, terms: int) -> int:
        """Signed bits of a sum of so many terms.

        Its largest positive value comes of inverted terms only, the last one's one still missing.
        """
        return (terms * self.largest - 1).bit_length() + 1

    def build(self, m: Module, ce: Value, terms: Sequence[Term], name: str) -> tuple[Value, Value]:
        """The sum without its last missing one, and that one."""
        total, pending = terms[0].value, terms[0].carry
        for index, term in enumerate(terms):
            bits = self.bits(index + 1)
            following = Signal(signed(bits), name=f"{name}_{index}")
            carry = Signal(name=f"{name}_{index}_carry")
            value = term.value
            if index:
                value = carry_add(m, self.family, total, value, pending, bits)
            with m.If(ce):
                m.d.sync += [following.eq(value), carry.eq(term.carry)]
            total, pending = following, carry
        return total, pending
