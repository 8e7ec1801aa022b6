"""The register slice under random stalls: every item once, in order, none combinationally."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.lib import data

from hdl.memory.register_slice import RegisterPause, RegisterSlice, RegisterStage
from tests.support.hdl.amaranth_cycles import simulate

LAYOUT = data.StructLayout({"upper": 7, "lower": 9})


KINDS = [RegisterSlice, RegisterStage, RegisterPause]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", [16, LAYOUT], ids=["bits", "struct"])
@pytest.mark.parametrize(("before", "after"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.6, 0.6)])
def test_items(kind: Any, layout: Any, before: float, after: float) -> None:
    """In the order of the input, held while they wait; without stalls one a period."""
    dut, draws = kind(layout), random.Random(7)
    items = [draws.randrange(1 << 16) for _ in range(300)]
    found: list[int] = []
    cycles = 0

    def value(view: Any) -> Any:
        return view.as_value() if isinstance(view, data.View) else view

    async def bench(ctx: Any) -> None:
        nonlocal cycles
        todo, held, offered = list(items), None, False
        while len(found) < len(items):
            offered = bool(todo) and (offered or draws.random() >= before)
            registered = ctx.get(dut.i.ready)
            ctx.set(dut.i.valid, offered)
            ctx.set(value(dut.i.payload), todo[0] if offered else draws.randrange(1 << 16))
            valid = ctx.get(dut.o.valid)
            now = ctx.get(value(dut.o.payload)) if valid else None
            taken = draws.random() >= after
            ctx.set(dut.o.ready, taken)
            ready = ctx.get(dut.i.ready)
            if kind is not RegisterStage:
                assert ready == registered, "ready must not follow within the cycle"
            assert ctx.get(dut.o.valid) == valid, "valid must not follow within the cycle"
            assert held is None or now == held
            held = None if taken else now
            if now is not None and taken:
                found.append(now)
            if offered and ready:
                todo.pop(0)
                offered = False
            cycles += 1
            assert cycles < 10_000
            await ctx.tick()

    simulate(dut, bench)
    assert found == items
    if not before and not after:
        period = getattr(kind, "PERIOD", 1)
        assert cycles == period * (len(items) - 1) + 1 + kind.LATENCY


@pytest.mark.parametrize("layout", [16, LAYOUT], ids=["bits", "struct"])
def test_holds_two(layout: Any) -> None:
    """Two items wait for the output; a third is not taken."""
    dut = RegisterSlice(layout)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.valid, 1)
        taken = 0
        for _ in range(8):
            taken += ctx.get(dut.i.ready)
            await ctx.tick()
        assert taken == 2

    simulate(dut, bench)
