"""cocotb test of the burst splitter: the bench that docs/guides/simulation.md shows."""

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles

from hdl.axi.signature import ADDRESS_WIDTH
from sim.stalls import Stalls
from sim.streams import Driver, Monitor


@cocotb.test()
async def bursts_of_a_run(dut: Any) -> None:
    """A run of 40 beats of 8 bytes, 24 bytes before a page: 3, 16, 16 and 5 beats."""
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    seed = random.getrandbits(32)
    driver = Driver(dut, "i", dut.clk, Stalls(seed=seed))
    monitor = Monitor(dut, "o", dut.clk, Stalls(seed=seed))
    driver.put([40 << ADDRESS_WIDTH | 4096 - 24])
    bursts = [(4072, 3), (4096, 16), (4224, 16), (4352, 5)]
    want = [beats << ADDRESS_WIDTH | address for address, beats in bursts]
    assert await monitor.take(len(want)) == want, f"stalls of seed {seed}"
