"""cocotb tests for test_axi_lite.py: of the registers of toy_rowmac.v."""

import random
from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles

from sim.axi_lite import AxiLite, BusError
from sim.stalls import Stalls


async def start(dut: Any) -> None:
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0


@cocotb.test()
async def registers_keep_their_values(dut: Any) -> None:
    bus = AxiLite(dut, "s_axil", dut.clk, Stalls(seed=random.getrandbits(32)))
    await start(dut)
    values: dict[int, int] = {}
    for _ in range(200):
        address = random.choice((4, 8, 12))
        if address in values and random.random() < 0.5:
            got = await bus.read(address)
            assert got == values[address], f"{address:#x}: {got:#x} must be {values[address]:#x}"
        else:
            values[address] = random.getrandbits(32)
            await bus.write(address, values[address])


@cocotb.test()
async def no_answer(dut: Any) -> None:
    bus = AxiLite(dut, "s_axil", dut.clk)
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    with pytest.raises(BusError, match="^read of 0x004 was not answered within 50 cycles$"):
        await bus.read(4, max_cycles=50)
