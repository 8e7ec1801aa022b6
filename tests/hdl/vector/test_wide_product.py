"""The product of four slices: every end of its operands, and any."""

from __future__ import annotations

import random
from typing import Any

from amaranth.hdl import Module, Signal, signed
from amaranth.lib.wiring import Component, In, Out

from hdl.vector.wide_product import wide_product
from tests.support.hdl.amaranth_cycles import simulate

LATENCY = 3


class Product(Component):
    """The function as a component."""

    def __init__(self) -> None:
        super().__init__(
            {"a": In(signed(32)), "b": In(signed(32)), "c": In(signed(43)), "o": Out(signed(63))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total: Signal = wide_product(m, self.a, self.b, self.c)
        m.d.comb += self.o.eq(total)
        return m


def number(draws: random.Random, bits: int) -> int:
    """An end, beside zero, or anything."""
    top = 1 << bits - 1
    return draws.choice([-top, top - 1, -1, 0, 1, draws.randrange(-top, top)])


def test_product_and_addend() -> None:
    draws = random.Random(1)
    dut = Product()

    async def bench(ctx: Any) -> None:
        want: list[int] = []
        for cycle in range(2000):
            a, b, c = (number(draws, bits) for bits in (32, 32, 43))
            ctx.set(dut.a, a)
            ctx.set(dut.b, b)
            ctx.set(dut.c, c)
            total = a * b + c
            want.append((total + (1 << 62)) % (1 << 63) - (1 << 62))
            if cycle >= LATENCY:
                assert ctx.get(dut.o) == want[cycle - LATENCY], f"cycle {cycle}"
            await ctx.tick()

    simulate(dut, bench)
