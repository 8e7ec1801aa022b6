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

from hdl.control.sequencer import AT_ONCE
from models.machine.units import UNITS, Unit
from models.program.registers import ErrorCode
from sim.stalls import NEVER, Stalls
from sim.streams import Driver

MAX_CYCLES = 30_000
NAMES = [f"unit_{Unit(u).name.lower()}" for u in range(UNITS)]


@cocotb.test()
async def jobs(dut: Any) -> None:
    """Every program, from a reset each; with slow units as many are begun as may be."""
    stalls = Stalls(seed=int(cocotb.plusargs["stalls"]))
    Clock(dut.clk, 10, unit="ns").start()
    driver = Driver(dut, "i", dut.clk, stalls)
    seen = [0] * UNITS
    for number, job in enumerate(json.loads(Path(str(cocotb.plusargs["jobs"])).read_text())):
        try:
            judge = Judge(dut, job, stalls, number)
            await judge.run(driver)
        except AssertionError as error:
            raise AssertionError(f"program {number}: {error}") from None
        seen = [max(pair) for pair in zip(seen, judge.most_seen, strict=True)]
    if int(cocotb.plusargs.get("crowded", 0)):
        assert seen == judge.most, f"begun at once were {seen}, may be {judge.most}"


class Judge:
    """One run of a program."""

    def __init__(self, dut: Any, job: dict[str, Any], stalls: Stalls, number: int) -> None:
        self.dut, self.job = dut, job
        self.todo = [deque(d for d in job["program"] if d["unit"] == u) for u in range(UNITS)]
        # Begun and not done, with the cycles that each still takes once it is the first.
        self.at_work: list[deque[list[Any]]] = [deque() for _ in range(UNITS)]
        self.most = [AT_ONCE.get(Unit(u), 1) for u in range(UNITS)]
        self.most_seen = [0] * UNITS
        self.noted: dict[int, int] = {}
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
            done = [bool(works) and works[0][1] == 0 for works in self.at_work]
            for unit, port in enumerate(self.ports):
                port["descriptor__ready"].value = int(
                    len(self.at_work[unit]) < self.most[unit] and not next(self.taken[unit])
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
        noted = int(dut.noted.value)
        for unit, tag in self.noted.items():
            got = noted >> 16 * unit & 0xFFFF
            assert got == tag, f"{where}, {Unit(unit).name}: noted must be {tag}, not {got}"
        self.noted = {}
        for unit, port in enumerate(self.ports):
            what = f"{where}, {Unit(unit).name}"
            works = self.at_work[unit]
            assert active >> unit & 1 == bool(works), f"{what}: active is wrong"
            full = len(works) == self.most[unit]
            if works:
                tag, first = tags >> 16 * unit & 0xFFFF, works[0][0]
                assert tag == first["tag"], f"{what}: tag must be {first['tag']}, not {tag}"
                works[0][1] -= 1
                if done[unit]:
                    given.append((unit, first["signal"]))
                    self.noted[unit] = first["tag"]
                    works.popleft()
            offered = bool(int(port["descriptor__valid"].value))
            begins = offered and bool(int(port["descriptor__ready"].value))
            assert start >> unit & 1 == begins, f"{what}: start is wrong"
            free = going and not full and not done[unit]
            assert not offered or free, f"{what}: must not be offered any"
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
            works.append([want, self.random.randrange(self.slowest)])
            self.most_seen[unit] = max(self.most_seen[unit], len(works))
            self.noted[unit] = want["tag"]
        for unit, signal in given:
            for taker in range(UNITS):
                self.tokens[unit][taker] += signal >> taker & 1
        if int(dut.finished.value):
            assert not active, f"{where}: finished with units at work"
            assert not any(self.todo), f"{where}: finished too early"
