"""Comparisons with small constants, of every value."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.sim import Simulator

from hdl.vector.compare import above

LIMITS = (0, 1, 2, 3, 4, 7, 8, 16, 100)


def test_above() -> None:
    m = Module()
    value, found = Signal(signed(9)), Signal(len(LIMITS))
    m.d.comb += found.eq(Cat(above(value, limit) for limit in LIMITS))

    async def bench(ctx: Any) -> None:
        for number in range(-256, 256):
            ctx.set(value, number)
            await ctx.delay(1e-9)
            got = ctx.get(found)
            want = sum((number > limit) << index for index, limit in enumerate(LIMITS))
            assert got == want, number

    sim = Simulator(m)
    sim.add_testbench(bench)
    sim.run()
