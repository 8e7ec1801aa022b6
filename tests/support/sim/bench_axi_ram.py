"""cocotb test for test_axi_ram.py: the memory against an AXI master of other authors."""

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Combine
from cocotbext.axi import AxiBus, AxiMaster, AxiResp

from sim.stalls import Stalls

BYTES = 16384


@cocotb.test()
async def keeps_what_is_written(dut: Any) -> None:
    """Rounds of writes under way at once, then of reads; bytes, bursts of up to 256 beats."""
    master = AxiMaster(AxiBus.from_entity(dut), dut.clk, dut.rst, max_burst_len=256)
    seed = random.getrandbits(32)
    write, read = master.write_if, master.read_if
    channels = (write.aw_channel, write.w_channel, write.b_channel)
    for number, channel in enumerate((*channels, read.ar_channel, read.r_channel)):
        channel.set_pause_generator(Stalls(seed=seed).draws(str(number)))
    dut.stall.value = random.choice((0, 64, 200))
    dut.seed.value = seed
    dut.latency.value, dut.rate.value = random.choice(((30, 512), (90, 512), (1, 100)))
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    width = len(dut.wdata) // 8
    expected = bytearray(BYTES)
    await master.write(0, bytes(expected), awid=0)
    written = BYTES // width
    for _ in range(12):
        pending = []
        for part in random.sample(range(16), 4):
            start = part * 1024 + random.randrange(0, 256, width)
            data = random.randbytes(random.randint(1, 1024 - 256))
            expected[start : start + len(data)] = data
            written += -(-len(data) // width)
            pending.append(master.init_write(start, data, awid=0))
        await Combine(*(cocotb.start_soon(one.wait()) for one in pending))
        assert all(one.data.resp == AxiResp.OKAY for one in pending)
        for _ in range(3):
            start = random.randrange(0, BYTES // 2, width)
            size = random.randrange(width, BYTES // 4, width)
            answer = await master.read(start, size, arid=0)
            assert answer.data == expected[start : start + size], f"{start:#x} +{size:#x}"
    assert (await master.read(0, BYTES, arid=0)).data == bytes(expected)
    assert int(dut.write_beats.value) == written
    assert int(dut.violation.value) == 0
    beyond = await master.read(BYTES, width, arid=0)
    assert beyond.resp == AxiResp.DECERR


@cocotb.test()
async def narrow_beats_are_a_violation(dut: Any) -> None:
    master = AxiMaster(AxiBus.from_entity(dut), dut.clk, dut.rst)
    dut.rst.value = 1
    dut.stall.value = 0
    dut.latency.value, dut.rate.value = 30, 512
    Clock(dut.clk, 10, unit="ns").start()
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await master.read(8, 2, arid=0, size=1)
    assert int(dut.violation.value) == 3
