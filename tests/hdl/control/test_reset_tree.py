"""The reset of a start: every register of every part, by copies that stay apart."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

from hdl.control.reset_tree import ResetTree
from hdl.emit import emit
from tests.support.hdl.amaranth_cycles import simulate


class Counter(Component):
    """Counts up from 5; so does a submodule of it, and one in that."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        super().__init__({"counts": Out(8).array(depth)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = Signal(8, init=5)
        m.d.sync += count.eq(count + 1)
        m.d.comb += self.counts[0].eq(count)
        if self.depth > 1:
            m.submodules.inner = inner = Counter(self.depth - 1)
            m.d.comb += [self.counts[i + 1].eq(inner.counts[i]) for i in range(self.depth - 1)]
        return m


class Bench(Component):
    """Two parts: one under a single copy, one whose submodule has its own."""

    def __init__(self, family: str = "generic") -> None:
        self.family = family
        super().__init__({"i": In(1), "counts": Out(8).array(6)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tree = ResetTree(self.i, self.family)
        for index, depth in enumerate((0, 1)):
            part = Counter(3)
            m.submodules[f"part{index}"] = tree.part(part, platform, depth)
            m.d.comb += [self.counts[3 * index + n].eq(part.counts[n]) for n in range(3)]
        m.submodules.tree = tree
        return m


def test_every_register() -> None:
    """They have their initial values after the latency, once, and count on from there."""
    dut = Bench()

    async def bench(ctx: Any) -> None:
        for _ in range(20):
            await ctx.tick()
        ctx.set(dut.i, 1)
        await ctx.tick()
        ctx.set(dut.i, 0)
        for _ in range(dut_latency - 1):
            await ctx.tick()
        for step in range(4):
            assert [ctx.get(count) for count in dut.counts] == [5 + step] * 6
            await ctx.tick()

    dut_latency = ResetTree.LATENCY
    simulate(dut, bench)


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_copies(family: str) -> None:
    """One for the first part, two for the second: flip-flops that synthesis must keep."""
    text = emit(Bench(family), "bench")
    assert text.count("FDRE #(") == 3
    assert text.count("dont_touch") >= 3
