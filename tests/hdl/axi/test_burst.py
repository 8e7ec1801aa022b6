"""Bursts cover their run exactly, none longer than 16 beats, none across a 4 KB page."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdl.axi.burst import BurstSplitter
from tests.support.hdl.amaranth_cycles import simulate

Run = tuple[int, int]


@st.composite
def runs(draw: st.DrawFn, width: int) -> list[Run]:
    """Byte addresses and beats; many begin or end beside a page, some at the end of memory."""
    size = width // 8
    found = []
    for _ in range(draw(st.integers(1, 6))):
        beats = draw(st.sampled_from([1, 15, 16, 17, 4096 // size]) | st.integers(1, 300))
        page = draw(st.sampled_from([0, 1, 77, (1 << 20) - 3]))
        beat = draw(st.sampled_from([0, 1, 4096 // size - 1]) | st.integers(0, 4096 // size - 1))
        address = page * 4096 + beat * size
        if draw(st.booleans()):
            address = max(0, (page + 1) * 4096 - beats * size)  # ends with a page
        found.append((min(address, (1 << 32) - beats * size), beats))
    return found


def split(width: int, wanted: list[Run], seed: int, stall: float) -> list[tuple[int, int, int]]:
    """Bursts (address, beats, marked last) that come out under random stalls on both sides."""
    dut = BurstSplitter(width)
    draws = random.Random(seed)
    found: list[tuple[int, int, int]] = []

    async def bench(ctx: Any) -> None:
        todo, total = list(wanted), sum(n for _, n in wanted)
        offered = held = None
        for _ in range(20 * total + 2000):
            if offered is None and todo and draws.random() >= stall:
                offered = todo.pop(0)
                ctx.set(dut.i.payload, {"address": offered[0], "beats": offered[1]})
            ctx.set(dut.i.valid, offered is not None)
            ctx.set(dut.o.ready, draws.random() >= stall)
            now = (
                ctx.get(dut.o.payload.address), ctx.get(dut.o.payload.length), ctx.get(dut.last)
            ) if ctx.get(dut.o.valid) else None  # fmt: skip
            assert held is None or now == held, f"must stay {held}, not become {now}"
            held = None if ctx.get(dut.o.ready) else now
            if now and not held:
                found.append(now)
            if offered and ctx.get(dut.i.ready):
                offered = None
            if sum(n for _, n, _ in found) >= total and not todo and offered is None:
                return
            await ctx.tick()
        raise AssertionError(f"{len(found)} bursts came, then none")

    simulate(dut, bench)
    return found


@pytest.mark.parametrize("width", [32, 64, 128])
@settings(max_examples=20)
@given(data=st.data(), seed=st.integers(0, 1 << 32), stall=st.sampled_from([0.0, 0.5]))
def test_bursts_cover_runs(width: int, data: st.DataObject, seed: int, stall: float) -> None:
    wanted = data.draw(runs(width))
    bursts = iter(split(width, wanted, seed, stall))
    size = width // 8
    for number, (address, beats) in enumerate(wanted):
        at, left = address, beats
        while left:
            start, length, last = next(bursts)
            where = f"run {number} of {beats} beats at {address:#x}, burst at {start:#x}"
            assert start == at, f"{where}: want {at:#x}"
            assert 1 <= length <= 16, f"{where}: {length} beats"
            assert start % 4096 + length * size <= 4096, f"{where}: {length} beats cross a page"
            # As long as can be: no shorter than page, run and limit say.
            assert length == min(16, left, (4096 - at % 4096) // size), f"{where}: {length} beats"
            at, left = at + length * size, left - length
            assert last == (left == 0), f"{where}: last is {last}"
    assert next(bursts, None) is None


def test_one_burst_in_two_cycles() -> None:
    """Without stalls the first burst comes after the latency, then one each period."""
    dut = BurstSplitter(64)
    cycles: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.payload, {"address": 0, "beats": 1600})
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o.ready, 1)
        for cycle in range(220):
            if ctx.get(dut.o.valid):
                cycles.append(cycle)
            if cycle == 1:
                ctx.set(dut.i.valid, 0)
            await ctx.tick()

    simulate(dut, bench)
    latency, period = BurstSplitter.LATENCY, BurstSplitter.PERIOD
    assert cycles == list(range(latency, latency + 100 * period, period))
