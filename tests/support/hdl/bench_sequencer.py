"""cocotb side of test_sequencer.py: units that take their time, and a judge of tokens."""

from __future__ import annotations

import json
import random
from collections import deque
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from models.machine.units import UNITS, Unit
from models.program.registers import ErrorCode
from sim.stalls import NEVER, Stalls
from sim.streams import Driver

MAX_CYCLES = 30_000
NAMES = [f"unit_{Unit(u).name.lower()}" for u in range(UNITS)]


@cocotb.test()
async def jobs(dut: Any) -> None:
    """Every program, from a reset each."""
    stalls = Stalls(seed=int(cocotb.plusargs["stalls"]))
    Clock(dut.clk, 10, unit="ns").start()
    driver = Driver(dut, "i", dut.clk, stalls)
    for number, job in enumerate(json.loads(Path(str(cocotb.plusargs["jobs"])).read_text())):
        try:
            await Judge(dut, job, stalls, number).run(driver)
        except AssertionError as error:
            raise AssertionError(f"program {number}: {error}") from None


class Judge:
    """One run of a program."""

    def __init__(self, dut: Any, job: dict[str, Any], stalls: Stalls, number: int) -> None:
        self.dut, self.job = dut, job
        self.todo = [deque(d for d in job["program"] if d["unit"] == u) for u in range(UNITS)]
        self.at_work: list[dict[str, int] | None] = [None] * UNITS
        self.left = [0] * UNITS
        self.tokens = [[0] * UNITS for _ in range(UNITS)]
        self.taken = [stalls.draws(f"{number} {name}") for name in NAMES]
        self.go = (stalls if job.get("interrupted") else NEVER).draws(f"{number} go")
        self.slowest = job.get("slowest", 3)
        self.random = random.Random(f"{stalls.seed} {number}")
        self.ports = [
            {
                part: getattr(dut, f"{name}__{part}")
                for part in (
                    "descriptor__valid",
                    "descriptor__ready",
                    "descriptor__payload",
                    "done",
                )
            }
            for name in NAMES
        ]

    async def run(self, driver: Driver) -> None:
        dut, job = self.dut, self.job
        for port in self.ports:
            port["descriptor__ready"].value = 0
            port["done"].value = 0
        dut.go.value = 0
        dut.rst.value = 1
        await ClockCycles(dut.clk, 2)
        dut.rst.value = 0
        for name in NAMES:
            getattr(dut, f"{name}__stall").value = 0
            getattr(dut, f"{name}__error").value = 0
        await RisingEdge(dut.clk)
        driver.put(job["raw"])
        await ClockCycles(dut.clk, 20)
        assert not int(dut.i__ready.value), "nothing is taken before go"
        going = False
        for cycle in range(MAX_CYCLES):
            done = [self.at_work[u] is not None and self.left[u] == 0 for u in range(UNITS)]
            for unit, port in enumerate(self.ports):
                port["descriptor__ready"].value = int(
                    self.at_work[unit] is None and not next(self.taken[unit])
                )
                port["done"].value = int(done[unit])
            going = not next(self.go)
            dut.go.value = int(going)
            await RisingEdge(dut.clk)
            self.judge(f"cycle {cycle}", done, going)
            if job["error"] and int(dut.error.value):
                assert int(dut.error.value) == job["error"], f"error {int(dut.error.value)}"
                break
            if not job["error"] and int(dut.finished.value):
                break
        else:
            raise AssertionError(f"no end; to be started are {[len(t) for t in self.todo]}")
        await ClockCycles(dut.clk, 10)
        if job["error"]:
            if job["error"] == ErrorCode.BAD_DESCRIPTOR:
                assert int(dut.i__valid.value), "an unknown descriptor is not taken"
                assert not int(dut.i__ready.value), "an unknown descriptor is not taken"
            return
        assert int(dut.finished.value), "finished stays"
        assert not any(self.todo), f"not started {[len(t) for t in self.todo]}"
        assert not int(dut.error.value), f"error {int(dut.error.value)}"

    def judge(self, where: str, done: list[bool], going: bool) -> None:
        """One cycle. Tokens given in it can be taken from the next one on."""
        dut = self.dut
        active, start, tags = int(dut.active.value), int(dut.start.value), int(dut.tag.value)
        given = []
        for unit, port in enumerate(self.ports):
            what = f"{where}, {Unit(unit).name}"
            works = self.at_work[unit]
            assert active >> unit & 1 == (works is not None), f"{what}: active is wrong"
            if works is not None:
                tag = tags >> 16 * unit & 0xFFFF
                assert tag == works["tag"], f"{what}: tag must be {works['tag']}, not {tag}"
                self.left[unit] -= 1
                if done[unit]:
                    given.append((unit, works["signal"]))
                    self.at_work[unit] = None
            offered = bool(int(port["descriptor__valid"].value))
            begins = offered and bool(int(port["descriptor__ready"].value))
            assert start >> unit & 1 == begins, f"{what}: start is wrong"
            assert not offered or (works is None and going), f"{what}: must not be offered any"
            if not begins:
                continue
            assert self.todo[unit], f"{what}: there is no descriptor left"
            want = self.todo[unit].popleft()
            got = int(port["descriptor__payload"].value)
            assert got == want["fields"], f"{what}: must get {want['fields']:#x}, not {got:#x}"
            for giver in range(UNITS):
                if want["wait"] >> giver & 1:
                    assert self.tokens[giver][unit], f"{what}: no token of {Unit(giver).name} yet"
                    self.tokens[giver][unit] -= 1
            self.at_work[unit] = want
            self.left[unit] = self.random.randrange(self.slowest)
        for unit, signal in given:
            for taker in range(UNITS):
                self.tokens[unit][taker] += signal >> taker & 1
        if int(dut.finished.value):
            assert not active, f"{where}: finished with units at work"
            assert not any(self.todo), f"{where}: finished too early"
