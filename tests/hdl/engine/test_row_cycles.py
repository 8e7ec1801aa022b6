"""Latency and throughput of the grid, as its documentation states them."""

from __future__ import annotations

from typing import Any

import pytest

from hdl.engine.row_drain import RowDrain
from hdl.engine.row_grid import RowGrid
from hdl.rows.choose import row_blocks
from tests.support.hdl.amaranth_cycles import simulate


@pytest.mark.parametrize("drain", [4, 2, 1])
@pytest.mark.parametrize("longer", [1, 2])
def test_loops_longer_than_their_results(drain: int, longer: int) -> None:
    """The grid takes a beat every cycle, and the first results come when they should."""
    blocks = row_blocks(
        [("fixed8", 2), ("pot4", 2)], family="generic", tokens=2, lanes=2, act_bits=8
    )
    grid = RowGrid(blocks, acc_bits=24, drain=drain)
    length = 2 * 4 // drain + longer
    slowest = max(block.cost.latency for block in blocks)
    latency = slowest + 1 + RowDrain(bits=24, width=drain, beats=8 // drain).latency
    seen: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(grid.o.ready, 1)
        ctx.set(grid.i.valid, 1)
        for cycle in range(9 * length + latency):
            ctx.set(grid.i.payload.last, cycle % length == length - 1)
            assert ctx.get(grid.i.ready), f"cycle {cycle}"
            if ctx.get(grid.o.valid):
                seen.append(cycle)
            await ctx.tick()

    simulate(grid, bench)
    assert seen[0] == length - 1 + latency
    first = [cycle for cycle in seen if (cycle - seen[0]) % length == 0]
    assert len(first) == 9


def test_a_waiting_consumer_stops_the_grid() -> None:
    """Beats are taken until the pipeline is full, and again when the consumer is ready."""
    blocks = row_blocks([("binary", 2)], family="generic", tokens=1, lanes=2, act_bits=4)
    grid = RowGrid(blocks, acc_bits=12, drain=2)
    depth = blocks[0].cost.latency + 2

    async def bench(ctx: Any) -> None:
        ctx.set(grid.i.valid, 1)
        ctx.set(grid.i.payload.last, 1)
        taken = 0
        for _ in range(40):
            taken += ctx.get(grid.i.ready)
            await ctx.tick()
        assert taken == depth
        ctx.set(grid.o.ready, 1)
        for _ in range(6):
            taken += ctx.get(grid.i.ready)
            await ctx.tick()
        assert taken > depth

    simulate(grid, bench)
