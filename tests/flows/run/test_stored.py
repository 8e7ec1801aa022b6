"""What a program may write: the words that its stores name, and nothing around or between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from flows.mapper import MappedNetwork, map_network
from flows.out_folder.memory_layout import Layout, memory_layout
from flows.run.execute import MachineError, golden_run, image_result, memory_before
from flows.run.stored import stored_bytes
from models.golden.machine import GoldenMachine
from models.program.registers import Register, busy_register, stall_register
from sim.system import EVENT, Finished, Traffic
from tests.support.mixed_networks import mixed_network
from tests.support.random_networks import random_codes
from tests.support.specs import ODD

SPEC = replace(ODD, bank_words=ODD.bank_words // 4)
"""Its words of 18 bytes lie 24 bytes apart in memory."""


@dataclass(frozen=True)
class Ran:
    """A network, an image, and all of the memory after the golden machine's run."""

    network: MappedNetwork
    codes: np.ndarray
    memory: np.ndarray
    layout: Layout


@pytest.fixture(scope="module")
def ran() -> Ran:
    graph = mixed_network(1, SPEC)
    codes = random_codes(graph, 1)[0]
    network = map_network(graph, SPEC)
    layout, memory = memory_layout(network), memory_before(network, codes)
    windows = [
        memory[base : base + size] for base, size in zip(layout.bases, layout.sizes, strict=True)
    ]
    GoldenMachine(SPEC, windows).run()
    return Ran(network, codes, memory, layout)


def finished(memory: np.ndarray) -> Finished:
    names = [Register.STATUS, Register.ERROR, Register.CYCLES_LOW]
    registers = dict.fromkeys(
        [*names, *(make(unit) for unit in range(5) for make in (busy_register, stall_register))], 0
    )
    return Finished(
        cycles=0, cpu_seconds=0, registers=registers, memory=(memory.tobytes(),),
        events=np.zeros(0, EVENT), events_lost=0,
        traffic=Traffic(read_bursts=0, read_beats=0, write_bursts=0, write_beats=0),
    )  # fmt: skip


def test_a_right_run_is_accepted(ran: Ran) -> None:
    assert ran.network.work_bytes
    result = image_result(ran.network, finished(ran.memory), ran.codes)
    assert np.array_equal(result.output, golden_run(ran.network, ran.codes)[0])


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(lambda at: 0, id="before the windows"),
        pytest.param(lambda at: at.end - 1, id="behind them"),
        pytest.param(lambda at: at.bases[0], id="program"),
        pytest.param(lambda at: at.bases[1] + at.sizes[1] - 1, id="input"),
        pytest.param(lambda at: at.bases[2] - 1, id="before the output"),
        pytest.param(lambda at: at.bases[2] + at.sizes[2], id="behind the output"),
        pytest.param(lambda at: at.bases[2] + SPEC.word_bytes, id="between words of the output"),
        pytest.param(lambda at: at.bases[3] - 1, id="before the work window"),
        pytest.param(lambda at: at.bases[3] + at.sizes[3], id="behind the work window"),
        pytest.param(lambda at: at.bases[3] + SPEC.word_bytes, id="between words of a tensor"),
    ],
)
def test_a_byte_that_no_store_names(ran: Ran, place: Callable[[Layout], int]) -> None:
    address = place(ran.layout)
    memory = ran.memory.copy()
    memory[address] ^= 1
    with pytest.raises(MachineError, match=f"no store of the program names .* at {address:#x}"):
        image_result(ran.network, finished(memory), ran.codes)


def test_what_lies_between_two_tensors(ran: Ran) -> None:
    """Bytes of the work window that belong to no tensor are not the program's."""
    size = ran.layout.sizes[3]
    written = stored_bytes(ran.network, 3, size)
    assert 0 < written.sum() < size * SPEC.word_bytes / SPEC.word_pitch + 1
    memory = ran.memory.copy()
    free = ran.layout.bases[3] + int(np.flatnonzero(~written)[-1])
    memory[free] ^= 1
    with pytest.raises(MachineError, match=f"at {free:#x}"):
        image_result(ran.network, finished(memory), ran.codes)
