import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from models.machine.memory import NEAR, RATE_UNIT, MemoryTiming
from sim import verilator
from sim.conditions import RESTLESS, Conditions, Response
from sim.runner import SimulationFailed
from sim.system import Load, Run, System, build_system
from tests.support.sim.toy import toy_rowmac

MEMORY = 64 * 1024
SOURCE, DESTINATION, WORDS = 0x1010, 0x4FE0, 100
STATUS = 0


def system(
    simulators: Path, *, fault: int = 0, width: int = 64, waves: Literal["vcd", "fst"] | None = None
) -> System:
    return build_system(
        toy_rowmac(fault=fault, width=width),
        data_width=width,
        memory_bytes=MEMORY - 1000,
        cache=simulators,
        optimise=False,
        waves=waves,
    )


def image(seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, MEMORY, dtype=np.uint8).tobytes()


def copy(bus_bytes: int = 8, count: int = WORDS, **changes: Any) -> Run:
    run = Run(
        loads=(Load(address=0, data=image()),),
        writes=((4, SOURCE), (8, DESTINATION), (12, count), (0, 1)),
        registers=(STATUS, 12),
        after=((0, 0),),
        dumps=((0, MEMORY),),
        max_cycles=200_000,
    )
    return replace(run, **changes)


def copied(before: bytes, bus_bytes: int = 8, count: int = WORDS) -> bytes:
    after = np.frombuffer(before, np.uint8).copy()
    size = count * bus_bytes
    after[DESTINATION : DESTINATION + size] = after[SOURCE : SOURCE + size] + np.uint8(1)
    return after.tobytes()


@pytest.mark.parametrize("width", [32, 64, 128])
def test_memory_after_a_run(simulators: Path, tmp_path: Path, width: int) -> None:
    machine = system(simulators, width=width)
    (done,) = machine.simulate([copy(width // 8)], tmp_path)
    assert done.memory == (copied(image(), width // 8),)
    assert done.registers == {STATUS: 1, 12: 0}
    assert done.traffic.read_beats == done.traffic.write_beats == WORDS
    assert done.traffic.read_bursts == done.traffic.write_bursts
    assert not done.events_lost


def test_parts_of_memory(simulators: Path, tmp_path: Path) -> None:
    data = bytes(range(64))
    run = Run(
        loads=(Load(address=0x100, data=data), Load(address=MEMORY - 8, data=b"the last")),
        writes=((4, 0x100), (8, 0x200), (12, 2), (0, 1)),
        dumps=((0x103, 1), (0x105, 9), (0x200, 16), (MEMORY - 5, 5)),
    )
    (done,) = system(simulators).simulate([run], tmp_path)
    assert done.memory == (data[3:4], data[5:14], bytes(range(1, 17)), b" last")


@pytest.mark.parametrize("seed", range(1, 6))
def test_restless_memory(simulators: Path, tmp_path: Path, seed: int) -> None:
    conditions = replace(RESTLESS, seed=seed)
    calm, restless = system(simulators).simulate(
        [copy(), copy(conditions=conditions)], tmp_path, seed=seed
    )
    assert restless.memory == calm.memory == (copied(image()),)
    assert restless.cycles > 1.2 * calm.cycles


def test_several_runs_in_one_process(simulators: Path, tmp_path: Path) -> None:
    counts = [1, 16, 17, 333]
    seen: list[int] = []
    progress: list[tuple[int, int]] = []
    runs = [copy(count=count, conditions=Conditions(stall_r=200)) for count in counts]
    runs[2] = replace(runs[2], reset=True)
    runs.append(copy(count=7000, dumps=()))
    done = system(simulators).simulate(
        runs,
        tmp_path,
        on_finished=lambda index, _: seen.append(index),
        on_progress=lambda index, cycles: progress.append((index, cycles)),
    )
    assert seen == [0, 1, 2, 3, 4]
    assert [one.memory for one in done[:4]] == [(copied(image(), count=n),) for n in counts]
    assert [one.traffic.read_beats for one in done] == [*counts, 7000]
    last = [cycles for index, cycles in progress if index == 4]
    assert len(last) > 2
    assert last == sorted(last)
    assert done[4].cycles == pytest.approx(last[-1], abs=5)


def test_latency_of_reads_and_writes(simulators: Path, tmp_path: Path) -> None:
    """The stand-in reads a burst, writes it and waits: each burst pays both latencies in full."""
    far = replace(NEAR, read_latency=90, write_latency=25)
    near, slow = system(simulators).simulate(
        [copy(), copy(conditions=Conditions(memory=far))], tmp_path
    )
    assert slow.memory == near.memory
    assert slow.cycles - near.cycles == (60 + 15) * near.traffic.read_bursts


@pytest.mark.parametrize("rate", [32, 100, 256])
def test_reads_and_writes_share_the_rate(simulators: Path, tmp_path: Path, rate: int) -> None:
    """A beat costs 256/rate cycles, whichever way it goes, but for a burst that was saved up."""
    memory = MemoryTiming(name="slow", read_latency=1, write_latency=1, rate=rate)
    count = 1000
    (done,) = system(simulators).simulate(
        [copy(count=count, conditions=Conditions(memory=memory), dumps=((0, 8),))], tmp_path
    )
    least = (2 * count - 16) * RATE_UNIT // rate
    assert done.cycles >= least
    if rate <= 100:  # else it is the stand-in that is slow
        assert done.cycles <= least + 4 * done.traffic.read_bursts * RATE_UNIT // rate


def test_the_same_seed_gives_the_same_cycles(simulators: Path, tmp_path: Path) -> None:
    def cycles(seed: int) -> list[int]:
        runs = [copy(conditions=replace(RESTLESS, seed=seed), reset=True)] * 2
        return [done.cycles for done in system(simulators).simulate(runs, tmp_path)]

    first, second = cycles(3)
    assert first == second
    assert cycles(4) != [first, second]


def test_events(simulators: Path, tmp_path: Path) -> None:
    first, second = system(simulators).simulate([copy(), copy(count=20)], tmp_path)
    for done, bursts in ((first, first.traffic.read_bursts), (second, second.traffic.read_bursts)):
        events = done.events
        assert (np.diff(events["cycle"].astype(int)) >= 0).all()
        assert 0 <= events["cycle"][0] < 50
        assert events["cycle"][-1] <= done.cycles
        assert sorted(set(events["unit"])) == [0, 4]
        for unit in (0, 4):
            starts = events["start"][events["unit"] == unit]
            assert list(starts) == [1, 0] * bursts
        assert set(events["tag"][events["unit"] == 4]) == {44}
        assert events["tag"][0] == (WORDS if done is first else 20)


@pytest.mark.parametrize(
    ("condition", "response"),
    [
        ({"fault_read": Response.SLVERR, "fault_first": SOURCE}, 2),
        ({"fault_write": Response.DECERR, "fault_first": DESTINATION + 400}, 3),
        ({"fault_read": Response.SLVERR, "fault_first": DESTINATION}, 0),
        ({"fault_write": Response.SLVERR, "fault_last": DESTINATION - 1}, 0),
    ],
)
def test_fault(simulators: Path, tmp_path: Path, condition: dict[str, Any], response: int) -> None:
    (done,) = system(simulators).simulate([copy(conditions=Conditions(**condition))], tmp_path)
    assert done.registers[STATUS] == response << 1 | 1


def test_faulty_writes_are_not_stored(simulators: Path, tmp_path: Path) -> None:
    conditions = Conditions(fault_write=Response.SLVERR)
    (done,) = system(simulators).simulate([copy(conditions=conditions)], tmp_path)
    assert done.memory == (image(),)


def test_outside_of_memory(simulators: Path, tmp_path: Path) -> None:
    run = copy(writes=((4, SOURCE), (8, 0x10_0000 + DESTINATION), (12, 16), (0, 1)))
    (done,) = system(simulators).simulate([run], tmp_path)
    assert done.registers[STATUS] == 3 << 1 | 1
    assert done.memory == (image(),)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (1, "too many beats"),
        (2, "last write beat is marked wrongly"),
        (3, "a read address changed while it waited"),
        (5, "no interrupt within 5000 cycles"),
        (6, "not as wide as the bus"),
        (7, "crosses a 4 KB boundary"),
        (8, "write data changed while it waited"),
    ],
)
def test_broken_rule(simulators: Path, tmp_path: Path, fault: int, text: str) -> None:
    run = copy(conditions=RESTLESS, max_cycles=5000)
    with pytest.raises(SimulationFailed, match=text):
        system(simulators, fault=fault).simulate([run], tmp_path)


def test_reading_before_the_response_reads_old_data(simulators: Path, tmp_path: Path) -> None:
    """A master that relies on a write before its response computes something wrong."""
    chain = ((4, 0x1000), (8, 0x1080), (12, 64), (0, 1))
    conditions = Conditions(early=255)
    right, wrong = (
        system(simulators, fault=fault)
        .simulate([copy(writes=chain, conditions=conditions)], tmp_path / str(fault))[0]
        .memory[0]
        for fault in (0, 4)
    )
    expected = np.frombuffer(image(), np.uint8).copy()
    for start in range(0x1080, 0x1280, 128):
        expected[start : start + 128] = expected[start - 128 : start] + np.uint8(1)
    assert right == expected.tobytes()
    assert wrong != right


def test_register_error(simulators: Path, tmp_path: Path) -> None:
    with pytest.raises(SimulationFailed, match="write to 0x024 must be answered by OKAY, not SLV"):
        system(simulators).simulate([copy(writes=((0x24, 1),))], tmp_path)
    with pytest.raises(SimulationFailed, match="read of 0x010 must be answered by OKAY, not DECE"):
        system(simulators).simulate([copy(registers=(0x10,))], tmp_path)


def test_interrupt_must_be_cleared(simulators: Path, tmp_path: Path) -> None:
    with pytest.raises(SimulationFailed, match="interrupt must be low before a run"):
        system(simulators).simulate([copy(after=()), copy()], tmp_path)


def test_waves(simulators: Path, tmp_path: Path) -> None:
    traced = system(simulators, waves="vcd")
    traced.simulate([copy()], tmp_path / "silent")
    assert not list((tmp_path / "silent").glob("dump.*"))
    (finished,) = traced.simulate([copy()], tmp_path / "work", waves=True)
    assert finished.memory[0] == copied(image())
    dump = (tmp_path / "work" / "dump.vcd").read_text()
    assert dump.startswith("$version")
    assert re.search(r"\$scope module system \$end.*\$var wire +1 \S+ clk \$end", dump, re.DOTALL)
    # Two edges of the clock in every cycle.
    assert len(re.findall(r"^#\d+$", dump, re.MULTILINE)) > 2 * finished.cycles


def test_waves_of_the_kind_fst(simulators: Path, tmp_path: Path) -> None:
    """Where the compiler has no headers for it, what to install is said instead."""
    try:
        verilator.check_fst()
    except verilator.Missing:
        text = "need the headers lz4.h and zlib.h, .* or write a .vcd file"
        with pytest.raises(verilator.Missing, match=text):
            system(simulators, waves="fst")
        return
    system(simulators, waves="fst").simulate([copy()], tmp_path, waves=True)
    # It begins with a block of the kind 0, its header, of 329 bytes.
    assert (tmp_path / "dump.fst").read_bytes()[:9] == b"\0" + (329).to_bytes(8, "big")


def test_interrupted_by_the_parent(simulators: Path, tmp_path: Path) -> None:
    def stop(index: int, cycles: int) -> None:
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        system(simulators, fault=5).simulate(
            [copy(max_cycles=1_000_000_000)], tmp_path, on_progress=stop
        )
    assert time.monotonic() - begin < 60


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"loads": (Load(address=4, data=bytes(8)),)}, "whole words of 8 bytes, not 8 .* 0x4$"),
        ({"loads": (Load(address=8, data=bytes(9)),)}, "whole words of 8 bytes, not 9 .* 0x8$"),
        ({"loads": (Load(address=0, data=bytes(2 * MEMORY)),)}, "load must be within the 0x10000"),
        ({"dumps": ((MEMORY - 1, 2),)}, "dump must be within the 0x10000 bytes of memory, not 0x2"),
        ({"dumps": ((0, 0),)}, "dump must be within"),
    ],
)
def test_job_out_of_range(
    simulators: Path, tmp_path: Path, change: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        system(simulators).simulate([copy(**change)], tmp_path)


def test_conditions_out_of_range() -> None:
    with pytest.raises(ValueError, match="stall_r must be 0 to 255 .*, not 256"):
        Conditions(stall_r=256)
