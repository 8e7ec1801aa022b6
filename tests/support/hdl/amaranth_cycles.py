"""Small components in Amaranth's own simulator: no build, so that hypothesis can run many cases."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from amaranth.sim import Simulator

Bench = Callable[[Any], Coroutine[Any, Any, None]]


def simulate(component: Any, bench: Bench) -> None:
    """Run a bench to its end; it drives and samples once a cycle by ``await ctx.tick()``."""
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
