"""cocotb tests for test_bridge.py, against an AXI master and an AXI4-Lite RAM of other authors."""

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteRam, AxiMaster, AxiResp

from sim.stalls import Stalls

BYTES = 4096


async def start(dut: Any, *, stalls: bool = True) -> tuple[AxiMaster, AxiLiteRam]:
    master = AxiMaster(AxiBus.from_entity(dut), dut.clk, dut.rst)
    ram = AxiLiteRam(AxiLiteBus.from_prefix(dut, "lite_"), dut.clk, dut.rst, size=BYTES)
    seed = random.getrandbits(32)
    if stalls:
        write, read = master.write_if, master.read_if
        channels: tuple[Any, ...] = (write.aw_channel, write.w_channel, write.b_channel)
        channels += (read.ar_channel, read.r_channel)
        write, read = ram.write_if, ram.read_if
        channels += (write.aw_channel, write.w_channel, write.b_channel)
        channels += (read.ar_channel, read.r_channel)
        for number, channel in enumerate(channels):
            channel.set_pause_generator(Stalls(seed=seed).draws(str(number)))
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    return master, ram


@cocotb.test()
async def random_bursts(dut: Any) -> None:
    """Of any address, length and beat size, also narrow and unaligned ones."""
    master, ram = await start(dut)
    expected = bytearray(random.randbytes(BYTES))
    ram.write(0, bytes(expected))
    most = (len(dut.wdata) // 8).bit_length() - 1
    for _ in range(40):
        size = random.randint(0, most)
        length = random.randint(1, 48)
        address = random.randrange(BYTES - length)
        if random.random() < 0.5:
            data = random.randbytes(length)
            answer = await master.write(address, data, size=size)
            expected[address : address + length] = data
        else:
            answer = await master.read(address, length, size=size)
            where = f"{address:#x} +{length}, beats of {1 << size}"
            assert answer.data == expected[address : address + length], where
        assert answer.resp == AxiResp.OKAY
    assert ram.read(0, BYTES) == bytes(expected)


@cocotb.test()
async def identifiers_come_back(dut: Any) -> None:
    master, _ = await start(dut)
    for number in range(8):
        event = master.init_write(4 * number, bytes([number] * 4), awid=number % 4)
        await event.wait()
        event = master.init_read(4 * number, 4, arid=3 - number % 4)
        await event.wait()
        assert event.data.data == bytes([number] * 4)


async def with_a_bad_register(dut: Any) -> AxiMaster:
    """A master whose accesses to the register at 0x20 are answered with an error."""
    master, ram = await start(dut)
    ram.write_if.b_channel.set_pause_generator(None)
    for interface, name in ((ram.write_if, "_write"), (ram.read_if, "_read")):
        good = getattr(interface, name)

        async def fail(address: int, *arguments: Any, good: Any = good) -> Any:
            if address // 4 * 4 == 0x20:
                raise ValueError("no such register")
            return await good(address, *arguments)

        setattr(interface, name, fail)
    return master


@cocotb.test()
async def errors_come_back(dut: Any) -> None:
    """Answers of the registers are passed on; the next access is good again."""
    master = await with_a_bad_register(dut)
    assert (await master.write(0x20, bytes(4))).resp == AxiResp.SLVERR
    assert (await master.write(0x24, bytes(4))).resp == AxiResp.OKAY
    assert (await master.read(0x20, 4)).resp == AxiResp.SLVERR
    assert (await master.read(0x24, 4)).resp == AxiResp.OKAY


@cocotb.test()
async def an_error_of_a_burst_comes_back(dut: Any) -> None:
    """Wherever in the burst: a write has one response for all of its accesses."""
    master = await with_a_bad_register(dut)
    for first in (0x20, 0x1C, 0x14):
        assert (await master.write(first, bytes(16))).resp == AxiResp.SLVERR, hex(first)
        assert (await master.read(first, 16)).resp == AxiResp.SLVERR, hex(first)
    assert (await master.write(0x24, bytes(16))).resp == AxiResp.OKAY
    assert (await master.read(0x24, 16)).resp == AxiResp.OKAY
