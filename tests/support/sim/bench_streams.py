"""cocotb tests for test_streams.py: of a one-item buffer that keeps or breaks the rules."""

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles

from sim.stalls import Stalls
from sim.streams import Driver, Item, Monitor

COUNT = 400


async def start(dut: Any) -> None:
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0


@cocotb.test()
async def everything_arrives_in_order(dut: Any) -> None:
    items: list[Item] = [random.randrange(256) for _ in range(COUNT)]
    seed = random.getrandbits(32)
    await start(dut)
    driver = Driver(dut, "i", dut.clk, Stalls(seed=seed))
    monitor = Monitor(dut, "o", dut.clk, Stalls(seed=seed))
    driver.put(items)
    got = await monitor.take(COUNT // 2, max_cycles=20 * COUNT)
    got += await monitor.take(COUNT - COUNT // 2, max_cycles=20 * COUNT)
    await driver.drained()
    assert got == items, f"stalls of seed {seed}"


@cocotb.test()
async def without_stalls_an_item_every_other_cycle(dut: Any) -> None:
    await start(dut)
    driver, monitor = Driver(dut, "i", dut.clk), Monitor(dut, "o", dut.clk)
    driver.put(range(100))
    assert await monitor.take(100, max_cycles=205) == list(range(100))


@cocotb.test()
async def follows_valid(dut: Any) -> None:
    """A monitor whose ready only ever follows valid."""
    patient = next(s for n in range(99) if (s := Stalls(seed=n)).coin("o follows valid"))
    await start(dut)
    driver, monitor = Driver(dut, "i", dut.clk), Monitor(dut, "o", dut.clk, patient)
    driver.put(range(20))
    assert await monitor.take(20, max_cycles=1000) == list(range(20))


@cocotb.test()
async def fields(dut: Any) -> None:
    await start(dut)
    driver, monitor = Driver(dut, "i", dut.clk), Monitor(dut, "o", dut.clk)
    driver.put({"key": n, "value": -n} for n in range(10))
    assert await monitor.take(10) == [{"key": n, "value": -n & 15} for n in range(10)]


@cocotb.test()
async def wrong_field(dut: Any) -> None:
    await start(dut)
    driver = Driver(dut, "i", dut.clk)
    driver.put([{"key": 1}])
    await ClockCycles(dut.clk, 10)


@cocotb.test()
async def no_such_stream(dut: Any) -> None:
    Driver(dut, "absent", dut.clk)
