"""The window check against arithmetic without limits: corners of windows and of 32-bit memory."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hdl.axi.window_check import WINDOWS, WindowCheck
from tests.support.hdl.amaranth_cycles import simulate

TOP = 1 << 32


def transfer(draws: random.Random, axi_bytes: int) -> tuple[list[tuple[int, int]], int, int, int]:
    """Windows, the number of one of them, and a transfer often at its end or at memory's."""
    corners = (0, 1, axi_bytes, 4096, TOP - 1, TOP - axi_bytes, TOP - 4096)
    windows = [
        (draws.choice(corners) & -axi_bytes | draws.choice((0, 0, 0, 1)), draws.choice(corners))
        for _ in range(WINDOWS)
    ]
    number = draws.randrange(WINDOWS)
    base, size = windows[number]
    length = draws.choice((axi_bytes, 128, 4096, (1 << 29) - axi_bytes))
    ends = (size - length, size - length + axi_bytes, TOP - base - length, *corners)
    offset = draws.choice(ends) % TOP & -axi_bytes | draws.choice((0, 0, 0, axi_bytes // 2))
    return windows, number, offset, length


@pytest.mark.parametrize("axi_bytes", [4, 16])
def test_check(axi_bytes: int) -> None:
    """One a cycle; the answer comes after the latency."""
    dut, draws = WindowCheck(axi_bytes), random.Random(3)
    wanted: list[tuple[int, int]] = []
    good = 0

    async def bench(ctx: Any) -> None:
        nonlocal good
        for cycle in range(3000):
            windows, number, offset, length = transfer(draws, axi_bytes)
            for index, (base, size) in enumerate(windows):
                ctx.set(dut.windows[index], {"base": base, "size": size})
            ctx.set(dut.window, number)
            ctx.set(dut.offset, offset)
            ctx.set(dut.length, length)
            base, size = windows[number]
            inside = offset + length <= size and base + offset + length <= TOP
            wanted.append((inside and not (base | offset) % axi_bytes, (base + offset) % TOP))
            if cycle >= dut.LATENCY:
                fits, address = wanted[cycle - dut.LATENCY]
                assert ctx.get(dut.fits) == fits, f"cycle {cycle}"
                assert not fits or ctx.get(dut.address) == address, f"cycle {cycle}"
                good += fits
            await ctx.tick()

    simulate(dut, bench)
    assert 100 < good < 2500
