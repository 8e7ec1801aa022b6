"""Results wait for their write in order, none is lost, and done comes after the last write."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest

from hdl.vector.result_queue import ResultQueue
from models.cost.pipelines import ISSUE_LATENCY, LANE_LATENCY
from tests.support.hdl.amaranth_cycles import simulate
from tests.support.specs import SMALL

BEATS = 400
Beat = tuple[int, int, int]  # number, write, end


@pytest.mark.parametrize("ready", [0.02, 0.5, 0.95, 1.0])
def test_every_result_is_written_in_order(ready: float) -> None:
    """Beats are issued whenever there is room; some bring nothing, some end a descriptor."""
    draws = random.Random(ready)
    dut = ResultQueue(SMALL)
    issued: list[Beat] = []
    written: list[int] = []
    dones: list[int] = []  # writes before each
    waits = 0

    async def bench(ctx: Any) -> None:
        nonlocal waits
        depth = ISSUE_LATENCY + LANE_LATENCY
        pipeline: deque[Beat | None] = deque([None] * depth, maxlen=depth)
        for cycle in range(60_000):
            beat = None
            if len(issued) < BEATS:
                if ctx.get(dut.room):
                    beat = (len(issued), int(draws.random() < 0.9), int(draws.random() < 0.05))
                    issued.append(beat)
                else:
                    waits += cycle > 0
            arrived, entered = pipeline[0], pipeline[-ISSUE_LATENCY]
            pipeline.append(beat)
            ctx.set(dut.takes, entered is not None and entered[1] | entered[2])
            ctx.set(dut.i_valid, arrived is not None and arrived[1] | arrived[2])
            if arrived is not None:
                number, write, end = arrived
                item = {"address": number, "data": 3 * number, "enable": 5}
                ctx.set(dut.i, {**item, "write": write, "end": end})
            granted = draws.random() < ready
            ctx.set(dut.write.ready, granted)
            if ctx.get(dut.done):
                dones.append(len(written))
            if ctx.get(dut.write.valid) and granted:
                written.append(ctx.get(dut.write.address))
                assert ctx.get(dut.write.data) == 3 * written[-1]
                assert ctx.get(dut.write.enable) == 5
            await ctx.tick()
            if len(issued) == BEATS and len(dones) == sum(end for _, _, end in issued):
                if len(written) == sum(write for _, write, _ in issued):
                    break

    simulate(dut, bench)
    assert written == [number for number, write, _ in issued if write]
    ends = [number for number, _, end in issued if end]
    assert len(dones) == len(ends)
    for end, before in zip(ends, dones, strict=True):
        # In the cycle of `done` the next write may be over.
        assert 0 <= before - sum(write for _, write, _ in issued[: end + 1]) <= 1
    if ready == 1:
        assert waits == 0, "a beat waited though every write was granted"
