"""The simulator's half of :mod:`sim.system`: carries out the runs of a job file.

Runs inside the simulator, in the work folder. What is written to the job's progress file is one
JSON object a line: ``{"run": n, "cycles": n}`` while a run goes on, then ``{"run": n, "finished":
{...}}``.
"""

import json
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer

from sim.axi_lite import AxiLite

PERIOD_NS = 10
REPORT_CYCLES = 10_000
TRAFFIC = ("read_bursts", "read_beats", "write_bursts", "write_beats")
VIOLATIONS = (
    "none",
    "a burst crosses a 4 KB boundary",
    "a burst is not INCR",
    "beats are not as wide as the bus",
    "an address is not aligned to the bus",
    "a burst has too many beats",
    "a read address changed while it waited",
    "a write address changed while it waited",
    "write data changed while it waited",
    "the last write beat is marked wrongly",
)


@cocotb.test()
async def runs(dut: Any) -> None:
    """Carry out the job named by the plusarg ``job``."""
    job = json.loads(Path(str(cocotb.plusargs["job"])).read_text())
    for name in ("rst", "load", "dump", "dump_events", "file"):
        getattr(dut, name).value = 0
    dut.deadline.value = 0xFFFF_FFFF
    bus = AxiLite(dut, "s_axil", dut.clk)
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    with Path(job["progress"]).open("a") as progress:
        for index, run in enumerate(job["runs"]):

            def report(index: int = index, **what: Any) -> None:
                progress.write(json.dumps({"run": index, **what}) + "\n")
                progress.flush()

            finished = await one_run(dut, bus, run, report)
            report(finished={**finished, "bus_bytes": job["bus_bytes"]})


async def one_run(dut: Any, bus: AxiLite, run: dict[str, Any], report: Any) -> dict[str, Any]:
    """Carry out one run; the result's fields are those that :mod:`sim.system` reads."""
    for name, value in run["conditions"].items():
        getattr(dut, name).value = value
    if run["reset"]:
        dut.rst.value = 1
        await ClockCycles(dut.clk, 4)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
    for load in run["loads"]:
        dut.load_word.value = load["word"]
        await strobe(dut, dut.load, load["file"])
        loaded = int(dut.loaded.value)
        assert loaded == load["bytes"], f"load must be of {load['bytes']} bytes, not {loaded}"
    before = {name: int(getattr(dut, name).value) for name in TRAFFIC}
    assert not int(dut.interrupted.value), "interrupt must be low before a run: clear it in `after`"
    for address, value in run["writes"]:
        await bus.write(address, value)
    start = int(dut.cycle.value)
    dut.deadline.value = start + run["max_cycles"]
    begin = time.process_time()
    await wake(dut, start, report)
    seconds = time.process_time() - begin
    cycles = int(dut.cycle.value) - start
    traffic = {name: int(getattr(dut, name).value) - before[name] for name in TRAFFIC}
    dut.deadline.value = 0xFFFF_FFFF
    judge(dut, run)
    registers = [await bus.read(address) for address in run["registers"]]
    for address, value in run["after"]:
        await bus.write(address, value)
    for dump in run["dumps"]:
        dut.dump_word.value = dump["word"]
        dut.dump_words.value = dump["words"]
        await strobe(dut, dut.dump, dump["file"])
    lost = int(dut.events_lost.value)
    await strobe(dut, dut.dump_events, run["events"])
    return {
        "cycles": cycles,
        "start_cycle": start,
        "cpu_seconds": seconds,
        "registers": registers,
        "traffic": traffic,
        "events_lost": lost,
    }


async def strobe(dut: Any, signal: Any, file: int) -> None:
    """Raise a back-door signal for one clock cycle, and wait until its work is done."""
    dut.file.value = file
    signal.value = 1
    await RisingEdge(dut.clk)
    signal.value = 0
    await ClockCycles(dut.clk, 2)


async def wake(dut: Any, start: int, report: Any) -> None:
    """Wait for interrupt, violation or deadline, reporting now and then."""
    risen = RisingEdge(dut.wake)
    while not int(dut.wake.value):
        await First(risen, Timer(REPORT_CYCLES * PERIOD_NS, unit="ns"))
        report(cycles=int(dut.cycle.value) - start)
    await RisingEdge(dut.clk)


def judge(dut: Any, run: dict[str, Any]) -> None:
    """Fail if the run did not end by an interrupt, or a rule of the bus was broken."""
    number = int(dut.violation.value)
    address = int(dut.violation_address.value)
    assert number == 0, f"AXI rule broken: {VIOLATIONS[number]} (address {address:#x})"
    assert int(dut.interrupted.value), f"no interrupt within {run['max_cycles']} cycles"
