"""A registered binary adder tree whose carry inputs complete negations."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value, signed

from models.cost.row_blocks import tree_latency


@dataclass
class Term:
    """A number to be added, and a one that is still missing (0 or 1) to be added with it."""

    value: Value
    carry: Value


class AdderTree:
    """Adds up ``count`` terms, one LUT level and one carry chain between registers.

    ``n`` terms bring ``n`` missing ones; the ``n - 1`` adders take one each, the last one leaves
    with the sum, for the accumulator's carry input.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.latency = tree_latency(count)

    def build(
        self, m: Module, ce: Value, terms: list[Term], width: int, name: str
    ) -> tuple[Value, Value]:
        """The sum without its last missing one, and that one; ``latency`` cycles later."""
        level = 0
        while len(terms) > 1:
            merged = []
            for index in range(0, len(terms) - 1, 2):
                left, right = terms[index], terms[index + 1]
                bits = min(max(len(left.value), len(right.value)) + 1, width)
                total = Signal(signed(bits), name=f"{name}_{level}_{index}")
                pending = Signal(name=f"{name}_{level}_{index}_carry")
                with m.If(ce):
                    m.d.sync += [
                        total.eq(add(left.value, right.value, left.carry)),
                        pending.eq(right.carry),
                    ]
                merged.append(Term(total, pending))
            if len(terms) % 2:
                last = terms[-1]
                value = Signal.like(last.value, name=f"{name}_{level}_last")
                pending = Signal(name=f"{name}_{level}_last_carry")
                with m.If(ce):
                    m.d.sync += [value.eq(last.value), pending.eq(last.carry)]
                merged.append(Term(value, pending))
            terms = merged
            level += 1
        return terms[0].value, terms[0].carry


def add(left: Value, right: Value, carry: Value) -> Value:
    """``left + right + carry`` in one carry chain: the carry enters by a bit below.

    ``left`` feeds the carry chain directly; what makes ``right`` of five signals is part of the
    adder's LUTs.
    """
    return (Cat(carry, right).as_signed() + Cat(carry, left).as_signed()) >> 1
