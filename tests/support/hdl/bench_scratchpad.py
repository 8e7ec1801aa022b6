"""cocotb tests for test_scratchpad.py."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from models.cost.pipelines import READ_LATENCY
from models.program.layout import SUM_BITS
from sim.stalls import NEVER, Stalls
from tests.support.hdl.scratchpad_model import READERS, WRITERS, Model, Reader


async def begin(dut: Any, *, hot: bool = False) -> Model:
    """A filled memory after a reset."""
    for index in range(READERS):
        getattr(dut, f"read{index}__valid").value = 0
    for index in range(WRITERS):
        getattr(dut, f"write{index}__valid").value = 0
    dut.i__valid.value = 0
    dut.o__ready.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    model = Model(dut, hot=hot)
    await model.fill()
    return model


async def traffic(dut: Any, cycles: int, *, hot: bool, load: float, bounds: bool = False) -> Model:
    """All ports at random."""
    model = await begin(dut, hot=hot)
    reader = Reader(model, Stalls(seed=random.getrandbits(32)), [])
    for number in range(cycles):
        for index in range(READERS):
            if model.reads[index] is None and random.random() < load:
                model.reads[index] = model.address()
                if bounds and random.random() < 0.1:
                    model.reads[index] = random.choice([model.total, (1 << SUM_BITS) - 1])
        for index in range(WRITERS):
            if model.writes[index] is None and random.random() < load:
                beyond = bounds and random.random() < 0.2
                far = random.randrange(model.total, 1 << SUM_BITS)
                model.writes[index] = model.new_write(far if beyond else model.address())
        if len(reader.todo) < 2:
            reader.todo.append((number, model.address()))
        model.put()
        reader.put()
        await model.tick()
        reader.judge()
    assert min(model.busy) > cycles * load / 8
    await settle(model, reader)
    return model


@cocotb.test()
async def random_ports(dut: Any) -> None:
    """Ports that meet in few words, and ports that rarely meet; every answer to the cycle."""
    for hot, load in ((True, 0.4), (False, 0.3)):
        model = await traffic(dut, 1500, hot=hot, load=load)
        assert model.taken > 60


@cocotb.test()
async def beyond_the_end(dut: Any) -> None:
    """Told the cycle after; nothing is written; other ports are as ever."""
    model = await traffic(dut, 600, hot=False, load=0.3, bounds=True)
    before = model.words.copy()
    # Every word of the memory is as the model has it.
    reader = Reader(model, NEVER, list(range(model.total)))
    await settle(model, reader)
    assert model.taken >= model.total
    assert (model.words == before).all()


@cocotb.test()
async def reader_at_full_speed(dut: Any) -> None:
    """One word a cycle alone; the first one after the latency."""
    model = await begin(dut)
    model.taken = 0
    count = 200
    reader = Reader(model, NEVER, [model.address() for _ in range(count)])
    start, first = model.cycle, 0
    while model.taken < count:
        model.put()
        reader.put()
        await model.tick()
        reader.judge()
        first = first or (model.taken and model.cycle)
        assert model.cycle < start + 10 * count
    assert first - start == 1 + READ_LATENCY, f"first word after {first - start} cycles"
    assert model.cycle - first == count - 1, f"{count} words in {model.cycle - first + 1} cycles"


@cocotb.test()
async def reader_holds_what_it_may(dut: Any) -> None:
    """While nobody takes its words it asks for no more than it has room for, and loses none."""
    model = await begin(dut)
    reader = Reader(model, NEVER, [model.address() for _ in range(60)])
    for _ in range(40):
        reader.put()
        dut.o__ready.value = 0
        reader.ready = False
        await model.tick()
        reader.judge()
    assert len(model.due) == 8, f"{len(model.due)} words are held"
    await settle(model, reader)
    assert model.taken == 60


async def settle(model: Model, reader: Reader) -> None:
    """Let everything under way come to an end."""
    for _ in range(4 * model.total + 400):
        model.put()
        reader.put()
        await model.tick()
        reader.judge()
        idle = not any(r is not None for r in model.reads) and not any(model.writes)
        if idle and not (reader.todo or reader.offered or model.sent or model.due):
            return
    raise AssertionError(f"{len(reader.todo)} addresses and {len(model.due)} words are left")
