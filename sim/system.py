"""Simulates the whole machine with its memory: what a host does, in a simulator process.

The parent (this module) writes a job file and memory images into a work folder; the simulator's
bench (:mod:`sim.system_bench`) carries the job out and reports line by line. Between the host's
accesses to registers nothing but the compiled model runs: Python wakes for the interrupt, and a few
times a second for the progress report.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.machine.units import UNITS
from sim.conditions import IDEAL, Conditions
from sim.runner import VERILOG, Design, SimulationFailed, Simulator, build

__all__ = ["EVENT", "Finished", "Load", "Run", "System", "Traffic", "build_system"]

EVENT = np.dtype([("cycle", "<u4"), ("tag", "<u2"), ("unit", "u1"), ("start", "u1")])
"""An event: cycle since the start of the run, the unit's tag, the unit, 1 start or 0 end."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """Bytes to be put into memory from a byte address on; both in whole words of the bus."""

    address: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the machine, in the order in which things happen.

    Attributes
    ----------
    reset
        reset the machine first (the first run of a process always does).
    loads
        what is put into memory, by the back door; the rest stays as it was.
    conditions
        behaviour of the memory from here on.
    writes
        (byte address, value) of register writes, in order; the last one starts the machine.
    max_cycles
        within which the interrupt must come.
    registers
        byte addresses of registers to read after the interrupt, in order.
    after
        register writes that end the run, such as clearing the interrupt.
    dumps
        (byte address, count of bytes) of what is read from memory at the end, by the back door.
    """

    reset: bool = False
    loads: tuple[Load, ...] = ()
    conditions: Conditions = IDEAL
    writes: tuple[tuple[int, int], ...] = ()
    max_cycles: int = 100_000_000
    registers: tuple[int, ...] = ()
    after: tuple[tuple[int, int], ...] = ()
    dumps: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Transfers of a run on the memory bus."""

    read_bursts: int
    read_beats: int
    write_bursts: int
    write_beats: int


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a run has left.

    Attributes
    ----------
    cycles
        from the last register write to the interrupt.
    cpu_seconds
        that the simulator has needed for them.
    registers
        value by byte address.
    memory
        the bytes of each dump.
    events
        array of :data:`EVENT`, in order.
    events_lost
        number of events for which the log had no room.
    """

    cycles: int
    cpu_seconds: float
    registers: dict[int, int]
    memory: tuple[bytes, ...]
    events: NDArray[np.void]
    events_lost: int
    traffic: Traffic


@dataclass(frozen=True)
class System:
    """A built simulator of the machine with ``memory_bytes`` behind a bus of ``bus_bytes``."""

    simulator: Simulator
    bus_bytes: int
    memory_bytes: int

    def simulate(
        self,
        runs: Sequence[Run],
        work: Path,
        *,
        on_progress: Callable[[int, int], None] | None = None,
        on_finished: Callable[[int, Finished], None] | None = None,
        seed: int = 1,
        waves: bool = False,
        random_memories: bool = False,
    ) -> list[Finished]:
        """Carry out runs, one after the other, in one simulator process.

        Parameters
        ----------
        work
            folder for the job, memory images, results and the log.
        on_progress
            called with the run's index and the cycles simulated so far in it.
        on_finished
            called with the run's index and result, as soon as it is there.
        seed
            of the simulator's random generator; the memory's is in each run's conditions.
        waves
            write a waveform of all runs to ``work``; the simulator must have been built for it.
        random_memories
            memories on the chip hold random bits at power-up instead of zeros.

        Raises
        ------
        ValueError
            if a load or dump is outside of the memory or not in whole words.
        sim.runner.SimulationFailed
            if an interrupt did not come, a rule of the bus was broken, a register access failed, or
            what the simulator has left is incomplete.
        """
        work.mkdir(parents=True, exist_ok=True)
        job = {"bus_bytes": self.bus_bytes, "runs": [], "progress": "progress.jsonl"}
        job["runs"] = [self._describe(index, run, work) for index, run in enumerate(runs)]
        (work / "job.json").write_text(json.dumps(job))
        progress = work / "progress.jsonl"
        progress.write_bytes(b"")
        finished: list[Finished] = []
        read = 0

        def follow() -> None:
            nonlocal read
            with progress.open("rb") as stream:
                stream.seek(read)
                fresh = stream.read()
            fresh = fresh[: fresh.rfind(b"\n") + 1]
            read += len(fresh)
            for line in fresh.splitlines():
                report = json.loads(line)
                index = report["run"]
                if "finished" in report:
                    finished.append(_finish(runs[index], index, report["finished"], work))
                    if on_finished:
                        on_finished(index, finished[-1])
                elif on_progress:
                    on_progress(index, report["cycles"])

        self.simulator.run(
            "sim.system_bench",
            work,
            seed=seed,
            plusargs={"job": "job.json"},
            on_tick=follow,
            waves=waves,
            random_memories=random_memories,
        )
        return finished

    def _describe(self, index: int, run: Run, work: Path) -> dict[str, Any]:
        loads = []
        for number, load in enumerate(run.loads):
            self._check("load", load.address, len(load.data))
            if load.address % self.bus_bytes or len(load.data) % self.bus_bytes:
                raise ValueError(
                    f"load must be in whole words of {self.bus_bytes} bytes, "
                    f"not {len(load.data)} bytes from address {load.address:#x}"
                )
            words = np.frombuffer(load.data, np.uint8).reshape(-1, self.bus_bytes)
            file = _file_number(index, number)
            (work / f"load-{file}.bin").write_bytes(words[:, ::-1].tobytes())
            word = load.address // self.bus_bytes
            loads.append({"file": file, "word": word, "bytes": len(load.data)})
        dumps = []
        for number, (address, size) in enumerate(run.dumps):
            self._check("dump", address, size)
            first = address // self.bus_bytes
            words_end = -(-(address + size) // self.bus_bytes)
            file = _file_number(index, number)
            dumps.append({"file": file, "word": first, "words": words_end - first})
        return {
            "reset": run.reset or index == 0,
            "loads": loads,
            "conditions": run.conditions.controls,
            "writes": run.writes,
            "max_cycles": run.max_cycles,
            "registers": run.registers,
            "after": run.after,
            "dumps": dumps,
            "events": _file_number(index, 0),
        }

    def _check(self, what: str, address: int, size: int) -> None:
        if address < 0 or size < 1 or address + size > self.memory_bytes:
            raise ValueError(
                f"{what} must be within the {self.memory_bytes:#x} bytes of memory, "
                f"not {size:#x} bytes from address {address:#x}"
            )


def build_system(
    verilog: str,
    *,
    data_width: int,
    memory_bytes: int,
    cache: Path,
    optimise: bool = True,
    waves: Literal["vcd", "fst"] | None = None,
    options: tuple[str, ...] = (),
) -> System:
    """Build the simulator of a machine.

    Parameters
    ----------
    verilog
        text of the generated Verilog with the module ``rowmac``.
    data_width
        of its memory bus, in bits.
    memory_bytes
        size of the memory, which starts at address 0; is rounded up to a power of two.
    cache
        folder where simulators are kept.
    optimise
        for long runs; otherwise for a quick build.
    waves
        kind of the waveform that it can write, if any.
    options
        further options of Verilator.

    Raises
    ------
    sim.runner.BuildFailed, sim.verilator.Missing
    """
    size = max(4096, 1 << (memory_bytes - 1).bit_length())
    design = Design(
        top="system",
        generated={"rowmac": verilog},
        sources=tuple(
            VERILOG / f"{name}.v" for name in ("axi_ram", "event_log", "xilinx", "system")
        ),
        parameters={"DATA_WIDTH": data_width, "MEMORY_BYTES": size, "UNITS": UNITS},
        options=options,
        optimise=optimise,
        waves=waves,
    )
    return System(build(design, cache), data_width // 8, size)


def _file_number(run: int, number: int) -> int:
    return run * 1000 + number


def _finish(run: Run, index: int, report: dict[str, Any], work: Path) -> Finished:
    memory = []
    for number, (address, size) in enumerate(run.dumps):
        path = work / f"dump-{_file_number(index, number)}.bin"
        skip = address % report["bus_bytes"]
        memory.append(path.read_bytes()[skip : skip + size])
        if len(memory[-1]) != size:
            raise SimulationFailed(
                f"dump must be of {size} bytes, not {len(memory[-1])}: "
                f"{work.absolute().parent} may be on a full disk"
            )
        path.unlink()
    path = work / f"events-{_file_number(index, 0)}.bin"
    events = np.fromfile(path, EVENT)
    path.unlink()
    events["cycle"] -= report["start_cycle"]
    return Finished(
        cycles=report["cycles"],
        cpu_seconds=report["cpu_seconds"],
        registers=dict(zip(run.registers, report["registers"], strict=True)),
        memory=tuple(memory),
        events=events,
        events_lost=report["events_lost"],
        traffic=Traffic(**report["traffic"]),
    )
