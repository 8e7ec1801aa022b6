"""The queue of a writer with credits: every item once, in order, as full as it may be."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hdl.memory.credit_queue import CreditQueue
from tests.support.hdl.amaranth_cycles import simulate


@pytest.mark.parametrize("depth", [2, 8])
@pytest.mark.parametrize(("before", "after"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.6, 0.6)])
def test_items(depth: int, before: float, after: float) -> None:
    """In the order of the input, held while they wait; the writer has a credit for each."""
    dut, draws = CreditQueue(16, depth), random.Random(3)
    items = [draws.randrange(1 << 16) for _ in range(300)]
    found: list[int] = []
    written: list[int] = []  # cycle
    fullest = 0

    async def bench(ctx: Any) -> None:
        nonlocal fullest
        held = None
        for cycle in range(10_000):
            offered = len(written) < len(items) and len(written) - len(found) < depth
            offered &= draws.random() >= before
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, items[len(written)] if offered else draws.randrange(1 << 16))
            valid = ctx.get(dut.o.valid)
            now = ctx.get(dut.o.payload) if valid else None
            taken = draws.random() >= after
            ctx.set(dut.o.ready, taken)
            assert ctx.get(dut.o.valid) == valid, "valid must not follow within the cycle"
            assert held is None or now == held
            held = None if taken else now
            if now is not None and taken:
                if not after:
                    assert cycle == written[len(found)] + dut.LATENCY
                found.append(now)
            if offered:
                written.append(cycle)
            fullest = max(fullest, len(written) - len(found))
            if len(found) == len(items):
                return
            await ctx.tick()
        raise AssertionError("items must all come")

    simulate(dut, bench)
    assert found == items
    if after:
        assert fullest == depth


@pytest.mark.parametrize("depth", [0, 1, 6])
def test_depth_is_a_power_of_two(depth: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        CreditQueue(16, depth)
