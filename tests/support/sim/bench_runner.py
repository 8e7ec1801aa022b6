"""cocotb tests for test_runner.py: of ``counter``, which adds ``step`` in every cycle."""

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, Timer


async def start(dut: Any) -> None:
    dut.rst.value = 1
    dut.step.value = 3
    Clock(dut.clk, 10, unit="ns").start()
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


@cocotb.test()
async def counts(dut: Any) -> None:
    await start(dut)
    assert int(dut.total.value) == 0
    await ClockCycles(dut.clk, 5)
    assert int(dut.total.value) == 15


@cocotb.test()
async def miscounts(dut: Any) -> None:
    await start(dut)
    await ClockCycles(dut.clk, 4)
    assert int(dut.total.value) == 13, f"total must be 13, not {int(dut.total.value)}"


@cocotb.test()
async def reads_a_plusarg(dut: Any) -> None:
    assert cocotb.plusargs["job"] == "some file.json"
    await Timer(1, unit="ns")


@cocotb.test()
async def never_ends(dut: Any) -> None:
    await start(dut)
    while True:
        await ClockCycles(dut.clk, 1000)
