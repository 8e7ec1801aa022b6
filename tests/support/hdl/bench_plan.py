"""cocotb side of :mod:`tests.support.hdl.plan`."""

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
    """Drive, take, count, and write down what came, round by round."""
    job = json.loads(Path(str(cocotb.plusargs["plan"])).read_text())
    first = job["rounds"][0]
    stalls = Stalls(seed=job["seed"]) if job["stall"] else NEVER
    for name, value in job["constants"].items():
        getattr(dut, name).value = value
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    drivers = {name: Driver(dut, name, dut.clk, stalls) for name in first["inputs"]}
    monitors = {name: Monitor(dut, name, dut.clk, stalls) for name in first["outputs"]}
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    counts = dict.fromkeys(first["pulses"], 0)
    for name in counts:
        cocotb.start_soon(count(dut, name, counts))
    results = []
    for number, one in enumerate(job["rounds"]):
        try:
            results.append(await play(dut, one, job["max_cycles"], drivers, monitors, counts))
        except (AssertionError, TimeoutError) as error:
            raise type(error)(f"round {number}: {error}") from None
    Path("results.json").write_text(json.dumps(results))


async def play(
    dut: Any,
    job: dict[str, Any],
    max_cycles: int,
    drivers: dict[str, Driver],
    monitors: dict[str, Monitor],
    counts: dict[str, int],
) -> dict[str, Any]:
    """One round."""
    for name in counts:
        counts[name] = 0
    before = {name: len(monitor.items) for name, monitor in monitors.items()}
    for name, driver in drivers.items():
        if name not in job["after"]:
            driver.put(job["inputs"][name])
    for name, others in job["after"].items():
        for other in others:
            if other in drivers:
                await drivers[other].drained()
            else:
                await reached(dut, other, counts, job["pulses"][other], max_cycles)
        await ClockCycles(dut.clk, 4)
        drivers[name].put(job["inputs"][name])
    results = {
        name: await monitors[name].take(items, max_cycles=max_cycles)
        for name, items in job["outputs"].items()
    }
    for name, want in job["pulses"].items():
        await reached(dut, name, counts, want, max_cycles)
    # What comes now is too much.
    await ClockCycles(dut.clk, 50)
    for name, monitor in monitors.items():
        extra = len(monitor.items) - before[name] - job["outputs"][name]
        assert not extra, f"{name} must give {job['outputs'][name]} items, not {extra} more"
    assert counts == job["pulses"], f"pulses must be {job['pulses']}, not {counts}"
    return results


async def count(dut: Any, name: str, counts: dict[str, int]) -> None:
    while True:
        await RisingEdge(dut.clk)
        counts[name] += int(getattr(dut, name).value)


async def reached(dut: Any, name: str, counts: dict[str, int], want: int, max_cycles: int) -> None:
    for _ in range(max_cycles):
        if counts[name] >= want:
            return
        await RisingEdge(dut.clk)
    raise TimeoutError(f"{name} must pulse {want} times, not {counts[name]}")
