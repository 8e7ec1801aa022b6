"""A pipelined binary adder tree; its carry inputs complete two's complement negations."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value, signed

from models.cost.row_blocks import tree_latency


@dataclass
class Term:
    """A term of a sum: ``value + carry``.

    A negated term is inverted only; its ``carry`` is the +1 that completes the negation.
    """

    value: Value
    carry: Value


class AdderTree:
    """Adds ``count`` terms, with one LUT level and one carry chain between registers.

    Latency ``latency`` cycles; throughput one sum per cycle. Of the ``n`` carries of ``n`` terms,
    ``n - 1`` enter the carry inputs of the ``n - 1`` adders; the last one leaves with the sum, for
    the accumulator's carry input.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.latency = tree_latency(count)

    def build(
        self, m: Module, ce: Value, terms: list[Term], width: int, name: str
    ) -> tuple[Value, Value]:
        """Return the sum without its last carry, and that carry, ``latency`` cycles later."""
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
    """Return ``left + right + carry`` from one carry chain: ``carry`` enters as an extra low bit.

    ``left`` feeds the carry chain directly, so logic of up to five signals per bit of ``right``
    merges into the adder's LUTs.
    """
    return (Cat(carry, right).as_signed() + Cat(carry, left).as_signed()) >> 1
