"""cocotb tests for test_registers.py."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.control.reset_tree import ResetTree
from models.machine.units import UNITS
from models.program.layout import MAGIC, VERSION
from models.program.registers import (
    CONTROL_START,
    CONTROL_STOP,
    CONTROL_UNIT,
    STATUS_BUSY,
    STATUS_DONE,
    STATUS_ERROR,
    WATCHDOG_DEFAULT,
    ErrorCode,
    Register,
    window_register,
)
from tests.support.hdl.registers_host import (
    COUNTERS,
    READ_ONLY,
    WINDOW_REGISTERS,
    machine,
    settable,
)


@cocotb.test()
async def every_register(dut: Any) -> None:
    """Random values in random order; what is read-only or nowhere stays; bits beyond are zero."""
    m, can_set = await machine(dut), settable()
    model = dict.fromkeys(can_set, 0) | {Register.WATCHDOG: WATCHDOG_DEFAULT}
    model |= dict.fromkeys([*READ_ONLY, *({Register.RUN} - can_set.keys())], 0)
    fingerprint = int(cocotb.plusargs["fingerprint"])
    model |= {Register.ID: MAGIC, Register.VERSION: VERSION, Register.FINGERPRINT: fingerprint}
    nowhere = [0x034, 0x03C, 0x054, 0x074, 0x0A0, 0x7FC, 0xFFC]
    model |= dict.fromkeys([*nowhere, Register.CONTROL, Register.INTERRUPT_CLEAR], 0)
    for address, want in model.items():
        await m.expect(address, want, "after reset")
    values = (0, 1, 0xFFFFFFFF, 0x80000000, 0xFFFFFFFE)
    for step in range(120):
        address = random.choice([a for a in model if a != Register.CONTROL])
        value = random.choice([*values, random.getrandbits(32)])
        await m.bus.write(address, value)
        if address in can_set:
            model[address] = value & ((1 << can_set[address]) - 1)
        probe = random.choice(list(model))
        await m.expect(address, model[address], f"step {step}, written {value:#x}")
        await m.expect(probe, model[probe], f"step {step}, {address:#x} was written")
    for address, want in model.items():
        await m.expect(address, want, "at the end")
    await m.bus.write(Register.CONTROL, 0xFFFFFFFE)
    await m.expect(Register.STATUS, 0, "start bit not set")
    assert m.starts == 0
    assert int(dut.program.value) == model[Register.PROGRAM]
    assert int(dut.run.value) == model[Register.RUN]
    windows = int(dut.windows.value)
    for index, register in enumerate(WINDOW_REGISTERS):
        assert windows >> 32 * index & 0xFFFFFFFF == model[register], f"port of {register:#x}"


@cocotb.test()
async def settings_hold_during_a_run(dut: Any) -> None:
    """Writes while running are ignored, a second start too; both work again afterwards."""
    m, can_set = await machine(dut), settable()
    before = {register: random.getrandbits(bits) for register, bits in can_set.items()}
    before[Register.WATCHDOG] = 0
    for register, value in before.items():
        await m.bus.write(register, value)
    await m.start()
    for register, value in before.items():
        await m.bus.write(register, ~value & 0xFFFFFFFF)
        await m.expect(register, value, "written during a run")
    await m.bus.write(Register.CONTROL, CONTROL_START)
    assert m.starts == 1
    await m.finish()
    if Register.RUN in can_set:
        number = before[Register.RUN] + 1 & 0xFFFFFFFF
        await m.expect(Register.RUN, number, "the next run has the next number")
    for register, value in before.items():
        await m.bus.write(register, ~value & ((1 << can_set[register]) - 1))
        await m.expect(register, ~value & ((1 << can_set[register]) - 1), "after the run")
    await m.start()
    assert m.starts == 2


@cocotb.test()
async def interrupt(dut: Any) -> None:
    """Pending after a run whether enabled or not; the enable only hides it; clear ends it."""
    m = await machine(dut)
    dut.quiet.value = 1

    def expect(want: int, why: str) -> None:
        assert int(dut.o_interrupt.value) == want, f"interrupt must be {want}: {why}"

    for enable in (1, 0, 1):
        await m.bus.write(Register.INTERRUPT_ENABLE, enable)
        await m.start()
        expect(0, "running")
        await m.finish()
        expect(enable, "finished")
        await m.bus.write(Register.INTERRUPT_ENABLE, 1 - enable)
        expect(1 - enable, "enable changed")
        await m.bus.write(Register.INTERRUPT_ENABLE, 1)
        expect(1, "enabled")
        await m.bus.write(Register.INTERRUPT_CLEAR, 0)
        expect(0, "cleared")
        await m.expect(Register.STATUS, STATUS_DONE, "done stays until the next start")


@cocotb.test()
async def counters(dut: Any) -> None:
    """Cycles, busy and stall against counts made here; a finished program waits for the bus."""
    m = await machine(dut)
    for _ in range(2):
        want = [0] * (2 * UNITS)
        cycles = 0
        dut.finished.value = dut.quiet.value = 0
        await m.bus.write(Register.CONTROL, CONTROL_START)
        await ClockCycles(dut.clk, ResetTree.LATENCY + 1)  # until then all else is reset
        while True:
            active, stall = random.getrandbits(UNITS), random.getrandbits(UNITS)
            dut.active.value, dut.stall.value = active, stall
            # The run may have begun while the bus answered: count from outside, all of it.
            await RisingEdge(dut.clk)
            cycles += 1
            for unit in range(UNITS):
                want[unit] += active >> unit & 1
                want[UNITS + unit] += active >> unit & stall >> unit & 1
            if cycles == 300:
                break
        dut.active.value = dut.stall.value = 0
        await ClockCycles(dut.clk, 2)  # both are registered before they are counted
        first = [await m.bus.read(r) for r in COUNTERS]
        assert first == want, f"busy and stall must be {want}, not {first}"
        dut.finished.value = 1
        await ClockCycles(dut.clk, 20)
        await m.expect(Register.STATUS, STATUS_BUSY, "the bus is not quiet")
        early = await m.bus.read(Register.CYCLES_LOW)
        await m.finish()
        late = await m.bus.read(Register.CYCLES_LOW)
        assert early >= 320
        assert late > early
        dut.active.value = (1 << UNITS) - 1
        await ClockCycles(dut.clk, 10)
        await m.expect(Register.CYCLES_LOW, late, "stands after the run")
        for register, count in zip(COUNTERS, want, strict=True):
            await m.expect(register, count, "stands after the run")
        dut.active.value = 0


@cocotb.test()
async def errors(dut: Any) -> None:
    """Code, unit and tag of the first unit that fails; the halt; the end once the bus is quiet."""
    m = await machine(dut)
    await m.bus.write(Register.INTERRUPT_ENABLE, 1)
    tags = [random.getrandbits(16) for _ in range(UNITS)]
    dut.tags.value = sum(tag << 16 * unit for unit, tag in enumerate(tags))
    for unit in range(UNITS + 1):
        for code in (ErrorCode.SCRATCHPAD_BOUNDS, ErrorCode.TOKEN_OVERFLOW):
            dut.quiet.value = 0
            await m.start()
            await ClockCycles(dut.clk, ResetTree.LATENCY)
            assert not int(dut.halt.value)
            # Others fail in the same cycle: the unit of the lowest number counts.
            failing = (
                [unit, *range(unit + 1, UNITS + 1)] if code is ErrorCode.TOKEN_OVERFLOW else [unit]
            )
            dut.unit_errors.value = sum(code << 4 * u for u in failing)
            await ClockCycles(dut.clk, 4)
            assert int(dut.halt.value), "an error halts"
            dut.unit_errors.value = ErrorCode.BUS_READ << 4 * ((unit + 1) % UNITS)
            await ClockCycles(dut.clk, 10)
            tag = tags[unit] if unit < UNITS else 0
            word = code | unit << 8 | tag << 16
            await m.expect(Register.ERROR, word, f"unit {unit}, later errors do not count")
            await m.expect(Register.STATUS, STATUS_BUSY | STATUS_ERROR, "bus transfers end first")
            assert not int(dut.o_interrupt.value)
            dut.quiet.value = 1
            dut.finished.value = 1
            await ClockCycles(dut.clk, 3)
            dut.finished.value = 0
            await m.expect(Register.STATUS, STATUS_ERROR, "the machine rests")
            assert int(dut.o_interrupt.value)
            await m.bus.write(Register.INTERRUPT_CLEAR, 1)
            dut.unit_errors.value = 0
    await m.start()
    await m.expect(Register.ERROR, 0, "a start clears the error")
    await m.finish()


@cocotb.test()
async def watchdog(dut: Any) -> None:
    """Counts cycles in which no unit moves; one that moves now and then is enough; 0 is never."""
    m = await machine(dut)
    dut.quiet.value = 1
    limit = 50
    await m.bus.write(Register.WATCHDOG, limit)
    await m.start()
    for _ in range(20):  # alive
        dut.active.value, dut.stall.value = 0b00100, 0b11011
        await ClockCycles(dut.clk, 1)
        dut.stall.value = 0b11111
        await ClockCycles(dut.clk, limit - 10)
    dut.stall.value = 0
    await m.expect(Register.STATUS, STATUS_BUSY, "a unit moves every now and then")
    await ClockCycles(dut.clk, 2)
    dut.stall.value = 0b00100
    await ClockCycles(dut.clk, limit - 2)
    assert not int(dut.halt.value), "not yet"
    await ClockCycles(dut.clk, 10)
    assert int(dut.halt.value), f"no progress in {limit} cycles"
    await m.expect(Register.ERROR, ErrorCode.WATCHDOG | CONTROL_UNIT << 8, "watchdog")
    await m.expect(Register.STATUS, STATUS_ERROR, "watchdog")
    await m.bus.write(Register.WATCHDOG, 0)
    await m.start()
    await ClockCycles(dut.clk, 2000)
    await m.expect(Register.STATUS, STATUS_BUSY, "no watchdog")


@cocotb.test()
async def a_bus_that_never_answers(dut: Any) -> None:
    """After an error the host hears of it within the watchdog's time, whatever units still do."""
    m = await machine(dut)
    limit = 50
    await m.bus.write(Register.INTERRUPT_ENABLE, 1)
    await m.bus.write(Register.WATCHDOG, limit)
    dut.quiet.value = 0
    dut.active.value, dut.stall.value = (1 << UNITS) - 1, 0
    await m.start()
    await ClockCycles(dut.clk, 3 * limit)
    dut.unit_errors.value = ErrorCode.BUS_READ
    await ClockCycles(dut.clk, 4)
    dut.unit_errors.value = 0
    assert int(dut.halt.value), "an error halts"
    await ClockCycles(dut.clk, limit - 4)
    assert not int(dut.o_interrupt.value), "bus transfers may still end"
    await ClockCycles(dut.clk, 8)
    assert int(dut.o_interrupt.value), f"nothing has ended within {limit} cycles"
    await m.expect(Register.STATUS, STATUS_BUSY | STATUS_ERROR, "the bus is not quiet")
    await m.bus.write(Register.INTERRUPT_CLEAR, 1)
    await ClockCycles(dut.clk, 3 * limit)
    assert not int(dut.o_interrupt.value), "what the host has heard of is not told again"
    dut.quiet.value = 1
    await ClockCycles(dut.clk, 3)
    assert int(dut.o_interrupt.value), "the bus has answered after all"
    await m.expect(Register.STATUS, STATUS_ERROR, "the machine rests")


@cocotb.test()
async def stop(dut: Any) -> None:
    """Ends a run like an error once the bus is quiet; one stopped in its reset, too; then rests."""
    m = await machine(dut)
    dut.active.value, dut.stall.value = (1 << UNITS) - 1, 0
    await m.bus.write(Register.WATCHDOG, 0)
    for wait in (0, 1, 100):
        dut.quiet.value = 0
        await m.bus.write(Register.CONTROL, CONTROL_START)
        await ClockCycles(dut.clk, wait)
        await m.bus.write(Register.CONTROL, CONTROL_STOP)
        await ClockCycles(dut.clk, ResetTree.LATENCY + 4)
        assert int(dut.halt.value), "no further work"
        await m.expect(Register.STATUS, STATUS_BUSY | STATUS_ERROR, "the bus is not quiet")
        await m.expect(Register.ERROR, ErrorCode.STOPPED | CONTROL_UNIT << 8, "stopped")
        dut.quiet.value = 1
        await ClockCycles(dut.clk, 3)
        await m.expect(Register.STATUS, STATUS_ERROR, "at rest")
    await m.bus.write(Register.CONTROL, CONTROL_STOP)
    await m.start()
    await m.finish()


@cocotb.test()
async def an_error_before_a_stop(dut: Any) -> None:
    """The first of them is told."""
    m = await machine(dut)
    await m.start()
    dut.unit_errors.value = ErrorCode.BUS_READ
    await ClockCycles(dut.clk, 4)
    dut.unit_errors.value = 0
    await m.bus.write(Register.CONTROL, CONTROL_STOP)
    await m.expect(Register.ERROR, ErrorCode.BUS_READ, "of unit 0")


@cocotb.test()
async def strobes(dut: Any) -> None:
    """Only bytes with a strobe are written; a command needs that of its byte."""
    m = await machine(dut)
    for register in (Register.PROGRAM, window_register(2)):
        await m.bus.write(register, 0x11223344)
        want = 0x11223344
        for strobe in (0b0001, 0b1000, 0b0110, 0b0000):
            value = random.getrandbits(32)
            mask = sum(0xFF << 8 * byte for byte in range(4) if strobe >> byte & 1)
            want = want & ~mask | value & mask
            await m.bus.write(register, value, strobe=strobe)
            await m.expect(register, want, f"strobe {strobe:#06b}")
    await m.bus.write(Register.INTERRUPT_ENABLE, 1, strobe=0b1110)
    await m.expect(Register.INTERRUPT_ENABLE, 0, "in its lowest byte")
    await m.bus.write(Register.CONTROL, CONTROL_START, strobe=0b1110)
    await m.expect(Register.STATUS, 0, "not started")
    assert m.starts == 0
