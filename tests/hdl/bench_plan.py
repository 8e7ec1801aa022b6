"""cocotb side of :mod:`tests.hdl.plan`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from sim.stalls import NEVER, Stalls
from sim.streams import Driver, Monitor


@cocotb.test()
async def plan(dut: Any) -> None:
    """Drive, take, count, and write down what came."""
    job = json.loads(Path(cocotb.plusargs["plan"]).read_text())
    stalls = Stalls(seed=job["seed"]) if job["stall"] else NEVER
    for name, value in job["constants"].items():
        getattr(dut, name).value = value
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    drivers = {name: Driver(dut, name, dut.clk, stalls) for name in job["inputs"]}
    monitors = {name: Monitor(dut, name, dut.clk, stalls) for name in job["outputs"]}
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    counts = dict.fromkeys(job["pulses"], 0)
    for name in counts:
        cocotb.start_soon(count(dut, name, counts))
    for name, driver in drivers.items():
        if name not in job["after"]:
            driver.put(job["inputs"][name])
    for name, others in job["after"].items():
        for other in others:
            if other in drivers:
                await drivers[other].drained()
            else:
                await reached(dut, other, counts, job)
        await ClockCycles(dut.clk, 4)
        drivers[name].put(job["inputs"][name])
    results = {
        name: await monitors[name].take(items, max_cycles=job["max_cycles"])
        for name, items in job["outputs"].items()
    }
    for name in counts:
        await reached(dut, name, counts, job)
    # What comes now is too much.
    await ClockCycles(dut.clk, 50)
    for name, monitor in monitors.items():
        extra = len(monitor.items) - job["outputs"][name]
        assert not extra, f"{name} must give {job['outputs'][name]} items, not {extra} more"
    assert counts == job["pulses"], f"pulses must be {job['pulses']}, not {counts}"
    Path("results.json").write_text(json.dumps(results))


async def count(dut: Any, name: str, counts: dict[str, int]) -> None:
    while True:
        await RisingEdge(dut.clk)
        counts[name] += int(getattr(dut, name).value)


async def reached(dut: Any, name: str, counts: dict[str, int], job: dict[str, Any]) -> None:
    for _ in range(job["max_cycles"]):
        if counts[name] >= job["pulses"][name]:
            return
        await RisingEdge(dut.clk)
    raise TimeoutError(f"{name} must pulse {job['pulses'][name]} times, not {counts[name]}")
