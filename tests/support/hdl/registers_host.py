"""The host of the control registers in simulation: reset, start, finish, comparison."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from models.machine.units import UNITS
from models.program.registers import (
    CONTROL_START,
    STATUS_BUSY,
    STATUS_DONE,
    Register,
    busy_register,
    stall_register,
    window_register,
)
from sim.axi_lite import AxiLite
from sim.stalls import Stalls

INPUTS = ("finished", "quiet", "active", "stall", "unit_errors", "tags")
COUNTERS = [f(u) for f in (busy_register, stall_register) for u in range(UNITS)]
WINDOW_REGISTERS = [window_register(w) + part for w in range(4) for part in (0, 4)]
SETTABLE: dict[int, int] = {
    Register.INTERRUPT_ENABLE: 1,
    Register.PROGRAM: 32,
    Register.WATCHDOG: 32,
}
SETTABLE |= dict.fromkeys(WINDOW_REGISTERS, 32)
READ_ONLY = [Register.ID, Register.VERSION, Register.FINGERPRINT, Register.STATUS, Register.ERROR,
             Register.CYCLES_LOW, Register.CYCLES_HIGH, *COUNTERS]  # fmt: skip


def settable() -> dict[int, int]:
    """Bits of what the host can set on this machine."""
    macro = cocotb.plusargs["macro"] == "True"
    return SETTABLE | ({Register.RUN: 32} if macro else {})


class Machine:
    """The registers after a reset, and what their outputs do."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        stalls = Stalls(seed=int(cocotb.plusargs["stalls"]))
        self.bus = AxiLite(dut, "bus_", dut.clk, stalls)
        self.starts = 0

    async def begin(self) -> None:
        """Reset."""
        dut = self.dut
        for name in INPUTS:
            getattr(dut, name).value = 0
        dut.rst.value = 1
        Clock(dut.clk, 10, unit="ns").start()
        await ClockCycles(dut.clk, 3)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        cocotb.start_soon(self.watch())

    async def watch(self) -> None:
        """Count start pulses; one may come only while nothing runs."""
        running = 0
        while True:
            await RisingEdge(self.dut.clk)
            if int(self.dut.start.value):
                assert not running, "start must not come during a run"
                self.starts += 1
            running = int(self.dut.running.value)

    async def expect(self, register: int, want: int, why: str = "") -> None:
        """Compare a register."""
        got = await self.bus.read(register)
        name = Register(register).name if register in set(Register) else f"{register:#05x}"
        assert got == want, f"{name} must be {want:#x}, not {got:#x} ({why})"

    async def start(self) -> None:
        """Start a run, units at rest."""
        await self.bus.write(Register.CONTROL, CONTROL_START)
        await self.expect(Register.STATUS, STATUS_BUSY, "just started")

    async def finish(self) -> None:
        """End a run well."""
        self.dut.finished.value = 1
        self.dut.quiet.value = 1
        await ClockCycles(self.dut.clk, 3)
        self.dut.finished.value = 0
        await self.expect(Register.STATUS, STATUS_DONE, "finished")


async def machine(dut: Any) -> Machine:
    one = Machine(dut)
    await one.begin()
    return one
