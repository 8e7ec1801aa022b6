"""cocotb side of :mod:`tests.support.hdl.transfer`: memory, stalls, rules of the bus, record."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiBus, AxiRam

from sim.stalls import Stalls
from sim.streams import Driver, Monitor

MAX_CYCLES = 60_000
QUIET_CYCLES = 300
ERRORS = ("load_error", "store_error", "fetch_error", "bounds_error")


class Record:
    """What happens on the ports, cycle by cycle, and the rules of the bus."""

    def __init__(self, dut: Any, ram: AxiRam) -> None:
        self.dut, self.ram = dut, ram
        self.cycle = 0
        self.bytes = len(dut.axi_rdata) // 8
        self.clear([])
        read, write = ram.read_if._read, ram.write_if._write

        async def _read(address: int, length: int) -> bytes:
            self.reads.append(address)
            if address in self.faults:
                raise ValueError(f"fault at {address:#x}")
            return bytes(await read(address, length))

        async def _write(address: int, data: bytes) -> None:
            self.writes.append((address, len(data)))
            if address // self.bytes * self.bytes in self.faults:
                raise ValueError(f"fault at {address:#x}")
            await write(address, data)

        ram.read_if._read, ram.write_if._write = _read, _write

    def clear(self, faults: list[int]) -> None:
        """Begin anew."""
        self.faults = set(faults)
        self.reads: list[int] = []
        self.writes: list[tuple[int, int]] = []
        self.params: list[int] = []
        self.order: list[int] = []
        self.tables: list[int] = []
        self.done = {"load_done": 0, "store_done": 0}
        self.open_writes: deque[int] = deque()  # beats of each burst without a response
        self.stores: deque[int] = deque()  # beats of each store that is not done
        self.answered = 0  # beats with a response of stores that are not done

    async def watch(self) -> None:
        """Runs for ever."""
        dut = self.dut
        waiting: dict[str, tuple[int, ...] | None] = {"ar": None, "aw": None, "w": None}
        fields = {
            name: [getattr(dut, f"axi_{name}{f}") for f in rest]
            for name, rest in (
                ("ar", ("addr", "len", "size", "burst")),
                ("aw", ("addr", "len", "size", "burst")),
                ("w", ("data", "strb", "last")),
            )
        }
        valids = {name: getattr(dut, f"axi_{name}valid") for name in fields}
        readies = {name: getattr(dut, f"axi_{name}ready") for name in fields}
        while True:
            await RisingEdge(dut.clk)
            self.cycle += 1
            for name, held in waiting.items():
                now = tuple(int(f.value) for f in fields[name]) if int(valids[name].value) else None
                assert held is None or now == held, (
                    f"{name} channel, cycle {self.cycle}: must stay {held}, not become {now}"
                )
                if now and name != "w":
                    self.legal(name, now)
                waiting[name] = None if now is None or int(readies[name].value) else now
            for channel, client in (("r", dut.axi_rready), ("b", dut.axi_bready)):
                assert int(client.value), f"{channel} channel, cycle {self.cycle}: must be ready"
            answered = int(dut.axi_bvalid.value) & int(dut.axi_bready.value)
            if int(dut.store_done.value):
                self.answered -= self.stores.popleft()
                assert self.answered >= 0, (
                    f"cycle {self.cycle}: done with {-self.answered} beats not answered"
                )
            if answered:
                self.answered += self.open_writes.popleft()
            if int(valids["aw"].value) & int(readies["aw"].value):
                self.open_writes.append(int(fields["aw"][1].value) + 1)
            params, tables = int(dut.params.value), int(dut.tables.value)
            if params & 1:
                self.params.append(params)
            order = int(dut.order.value)
            if order & 1:
                self.order.append(order)
            if tables & 3:
                self.tables.append(tables)
            for name in self.done:
                self.done[name] += int(getattr(dut, name).value)

    def legal(self, name: str, request: tuple[int, ...]) -> None:
        """Up to 16 full beats on beat addresses, within a page."""
        address, length, size, burst = request
        end = address % 4096 + (length + 1) * self.bytes
        assert length < 16, f"{name} at {address:#x}: {length + 1} beats, at most 16"
        assert 1 << size == self.bytes, f"{name} at {address:#x}: beats of {1 << size} bytes"
        assert burst == 1, f"{name} at {address:#x}: burst must be INCR, not {burst}"
        assert address % self.bytes == 0, f"{name} at {address:#x}: not on a beat"
        assert end <= 4096, f"{name} at {address:#x}: {length + 1} beats cross a page"


@cocotb.test()
async def cases(dut: Any) -> None:
    """Every case, and write down what was seen."""
    jobs = json.loads(Path(str(cocotb.plusargs["cases"])).read_text())
    stalls = Stalls(seed=int(cocotb.plusargs["stalls"]))
    ram = AxiRam(AxiBus.from_prefix(dut, "axi"), dut.clk, dut.rst, size=1 << 15)
    read, write = ram.read_if, ram.write_if
    channels: tuple[Any, ...] = (read.ar_channel, read.r_channel)
    channels += (write.aw_channel, write.w_channel, write.b_channel)
    for number, channel in enumerate(channels):
        channel.set_pause_generator(stalls.draws(str(number)))
    dut.restart.value = 0
    dut.windows.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    names = ("fill", "load", "store", "fetch", "read")
    drivers = {name: Driver(dut, f"i_{name}", dut.clk, stalls) for name in names}
    outputs = {n: Monitor(dut, f"o_{n}", dut.clk, stalls) for n in ("read", "words")}
    # Slower than the memory, so that descriptors wait.
    slow = Stalls(seed=stalls.seed, probability=0.97)
    outputs["program"] = Monitor(dut, "o_program", dut.clk, slow)
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    record = Record(dut, ram)
    watch = cocotb.start_soon(record.watch())
    results = []
    for number, job in enumerate(jobs):
        try:
            results.append(await one_case(dut, ram, record, drivers, outputs, job))
        except TimeoutError as error:
            raise TimeoutError(f"case {number}: {error}") from None
        if watch.done():
            watch.result()
    Path("results.json").write_text(json.dumps(results))


async def one_case(
    dut: Any,
    ram: AxiRam,
    record: Record,
    drivers: dict[str, Driver],
    outputs: dict[str, Monitor],
    job: dict[str, Any],
) -> dict[str, Any]:
    dut.restart.value = 1
    await ClockCycles(dut.clk, 2)
    dut.restart.value = 0
    ram.write(0, bytes.fromhex(job["memory"]))
    record.clear(job["faults"])
    record.stores.extend(job["store_beats"])
    for monitor in outputs.values():
        monitor.items.clear()
        monitor._taken = 0
    dut.windows.value = sum(
        (base | size << 32) << 64 * index for index, (base, size) in enumerate(job["windows"])
    )
    await RisingEdge(dut.clk)
    drivers["fill"].put(job["fill"])
    await drivers["fill"].drained()
    for name in ("load", "store", "fetch"):
        drivers[name].put(job[name])
    drivers["fill"].put(job["rival_fill"])
    drivers["read"].put(job["rival_reads"])
    seen: dict[str, Any] = {}
    if job["fails"]:
        await quiet(dut)
    else:
        for name in ("words", "program"):
            seen[name] = await outputs[name].take(job[name], max_cycles=MAX_CYCLES)
        want = {"load_done": len(job["load"]), "store_done": len(job["store"])}
        for _ in range(MAX_CYCLES):
            if record.done == want:
                break
            await RisingEdge(dut.clk)
        else:
            raise TimeoutError(f"units must be done {want} times, not {record.done}")
        await ClockCycles(dut.clk, 60)
        assert record.done == want, f"units must be done {want} times, not {record.done}"
        assert int(dut.quiet.value), "the bus must be quiet when all is done"
        await drivers["fill"].drained()
        await outputs["read"].take(len(job["rival_reads"]), max_cycles=MAX_CYCLES)
        drivers["read"].put(job["read"])
        seen["read"] = await outputs["read"].take(len(job["read"]), max_cycles=MAX_CYCLES)
        await ClockCycles(dut.clk, 20)
    extra = {name: len(m.items) - len(seen.get(name, ())) for name, m in outputs.items()}
    extra["read"] -= len(job["rival_reads"])
    return {
        **seen,
        "extra": extra,
        "params": record.params,
        "order": record.order,
        "tables": record.tables,
        "reads": record.reads,
        "writes": record.writes,
        "done": record.done,
        "errors": {name: int(getattr(dut, name).value) for name in ERRORS},
        "memory": bytes(ram.read(0, 1 << 15)).hex(),
    }


async def quiet(dut: Any) -> None:
    """Wait for an error, then until the bus was quiet for long."""
    for _ in range(MAX_CYCLES):
        if any(int(getattr(dut, name).value) for name in ERRORS):
            break
        await RisingEdge(dut.clk)
    else:
        raise TimeoutError("an error must be raised")
    still = 0
    for _ in range(MAX_CYCLES):
        still = still + 1 if int(dut.quiet.value) else 0
        if still == QUIET_CYCLES:
            return
        await RisingEdge(dut.clk)
    raise TimeoutError("the bus must come to rest after an error")
