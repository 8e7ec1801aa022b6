"""What the RTL does with bad programs and a failing bus: it stops with a code, and recovers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.mapper import MappedNetwork
from flows.out_folder.memory_layout import memory_layout
from flows.run.execute import MachineError, golden_run, image_result, image_run
from models.golden.machine import GoldenMachine
from models.machine.units import Unit
from models.program.descriptor import Descriptor, ProgramError, decode_program, encode_program
from models.program.layout import DESCRIPTOR_BYTES
from models.program.registers import Register, window_register
from sim.conditions import IDEAL, Conditions, Response
from sim.system import Finished, Run
from tests.support.machines import Job, job, simulator
from tests.support.random_networks import random_codes, random_network
from tests.support.specs import SMALL

Change = Callable[[list[Descriptor]], None]


def changed(network: MappedNetwork, change: Change) -> MappedNetwork:
    """The network with another program of the same length."""
    descriptors = decode_program(network.spec, network.image.tobytes())
    change(descriptors)
    program = encode_program(network.spec, descriptors)
    image = network.image.copy()
    image[: len(program)] = np.frombuffer(program, dtype=np.uint8)
    return replace(network, image=image)


def poke(network: MappedNetwork, offset: int, value: int) -> MappedNetwork:
    """The network with one byte of its image changed."""
    image = network.image.copy()
    image[offset] ^= value
    return replace(network, image=image)


def edit(unit: Unit, index: int = 0, **fields: int) -> Change:
    """Set fields of the ``index``-th descriptor of a unit."""

    def change(descriptors: list[Descriptor]) -> None:
        places = [i for i, d in enumerate(descriptors) if d.unit is unit]
        old = descriptors[places[index]]
        descriptors[places[index]] = replace(old, fields={**old.fields, **fields})

    return change


def no_signals(descriptors: list[Descriptor]) -> None:
    """Nobody gives a token."""
    descriptors[:] = [replace(d, signal=0) for d in descriptors]


AROUND = 1 << 20
"""Words after which addresses of a descriptor begin again."""

PROGRAM_CASES: dict[str, tuple[Change, str, bool]] = {
    # name: change, what the error says, whether the golden machine refuses it too
    "load beyond its window": (
        edit(Unit.LOAD, offset=1 << 24), "WINDOW_BOUNDS from the load unit", True),
    "store beyond its window": (
        edit(Unit.STORE, offset=1 << 20), "WINDOW_BOUNDS from the store unit", True),
    "store to unaligned bytes": (
        edit(Unit.STORE, offset=2), "WINDOW_BOUNDS from the store unit", True),
    "load beyond the scratchpad": (
        edit(Unit.LOAD, address=SMALL.scratchpad_words), "SCRATCHPAD_BOUNDS", True),
    "matrix reads beyond the scratchpad": (
        edit(Unit.MATRIX, base=SMALL.scratchpad_words), "SCRATCHPAD_BOUNDS", True),
    "vector writes beyond the scratchpad": (
        edit(Unit.VECTOR, out=SMALL.scratchpad_words + 5), "SCRATCHPAD_BOUNDS", True),
    "parameters that do not exist": (
        edit(Unit.VECTOR, param=SMALL.param_entries), "ENTRY_BOUNDS from the vector unit", True),
    "weights deeper than the store": (
        edit(Unit.WEIGHT, entries=SMALL.depth_entries + 1), "ENTRY_BOUNDS from the weight unit",
        True),
    "blocks without a beat": (
        edit(Unit.MATRIX, last_beats=0), "BAD_DESCRIPTOR from the control part", True),
    "blocks of more beats than tokens": (
        edit(Unit.MATRIX, last_beats=SMALL.tokens + 1), "BAD_DESCRIPTOR from the control part",
        True),
    "kernel of no column": (
        edit(Unit.MATRIX, kernel_x=0), "BAD_DESCRIPTOR from the control part", True),
    "no tiles": (edit(Unit.WEIGHT, tiles=0), "BAD_DESCRIPTOR from the control part", True),
    "unknown weight source": (
        edit(Unit.WEIGHT, source=3), "BAD_DESCRIPTOR from the control part", True),
    "unknown load target": (
        edit(Unit.LOAD, target=6), "BAD_DESCRIPTOR from the control part", True),
    "nothing to load": (edit(Unit.LOAD, beats=0), "BAD_DESCRIPTOR from the control part", True),
    "unknown vector operator": (
        edit(Unit.VECTOR, op=7), "BAD_DESCRIPTOR from the control part", True),
    "unknown rounding": (
        edit(Unit.VECTOR, rounding=7), "BAD_DESCRIPTOR from the control part", True),
    "table beyond its memory": (
        edit(Unit.VECTOR, table_base=2047, table_last=1), "BAD_DESCRIPTOR from the control part",
        True),
    "nothing to store": (edit(Unit.STORE, words=0), "BAD_DESCRIPTOR from the control part", True),
    "results 2^20 words apart": (
        edit(Unit.VECTOR, out_stride=AROUND + 3), "SCRATCHPAD_BOUNDS", True),
    "probabilities 2^20 words apart": (
        edit(Unit.VECTOR, 6, out_stride=AROUND + 2), "SCRATCHPAD_BOUNDS", True),
    "scores 2^20 words back": (
        edit(Unit.VECTOR, 6, src_stride=3 - AROUND), "SCRATCHPAD_BOUNDS", True),
    "operands 2^20 words on": (edit(Unit.MATRIX, base=AROUND), "SCRATCHPAD_BOUNDS", True),
    "operands 2^20 words back": (edit(Unit.MATRIX, base=-AROUND), "SCRATCHPAD_BOUNDS", True),
    "tokens 2^20 words apart": (
        edit(Unit.MATRIX, token_step=AROUND + 1), "SCRATCHPAD_BOUNDS", True),
    "keys 2^20 words apart": (edit(Unit.WEIGHT, 3, stride=AROUND + 3), "SCRATCHPAD_BOUNDS", True),
    "keys 2^20 words back": (edit(Unit.WEIGHT, 3, stride=3 - AROUND), "SCRATCHPAD_BOUNDS", True),
    "values 2^20 words apart": (
        edit(Unit.WEIGHT, 6, stride=AROUND + 3), "SCRATCHPAD_BOUNDS", True),
    "store over the program": (
        edit(Unit.STORE, window=0), "BAD_DESCRIPTOR from the control part", True),
    "store over the input": (
        edit(Unit.STORE, window=1), "BAD_DESCRIPTOR from the control part", True),
    "tokens that never come": (no_signals, "WATCHDOG from the control part", False),
}  # fmt: skip

HEADER_CASES = {
    "magic": (0, "BAD_MAGIC from the control part"),
    "version": (4, "BAD_VERSION from the control part"),
    "fingerprint": (8, "BAD_FINGERPRINT from the control part"),
}

BUS_CASES = {
    "program read": (0, Conditions(fault_read=Response.SLVERR), "BUS_READ from the control part"),
    "weights read": (0, Conditions(fault_read=Response.DECERR), "BUS_READ from the load unit"),
    "output written": (2, Conditions(fault_write=Response.SLVERR), "BUS_WRITE from the store unit"),
}


REGISTER_CASES = {
    # name: register, what is added to its value, what the error says
    "program window off its beats": (window_register(0), 2, "WINDOW_BOUNDS from the control part"),
    "program offset off its beats": (Register.PROGRAM, 2, "WINDOW_BOUNDS from the control part"),
    "program beyond its window": (Register.PROGRAM, 1 << 20, "WINDOW_BOUNDS from the control part"),
    "input window off its beats": (window_register(1), 1, "WINDOW_BOUNDS from the load unit"),
    "input window too small": (window_register(1) + 4, -4, "WINDOW_BOUNDS from the load unit"),
    "output window off its beats": (window_register(2), 1, "WINDOW_BOUNDS from the store unit"),
    "output window over the end of all addresses": (
        window_register(2), 0, "WINDOW_BOUNDS from the store unit"),
}  # fmt: skip


def shifted(run: Run, register: int, step: int) -> Run:
    """The run with another value in one register."""
    writes = tuple((a, (v + step) % (1 << 32) if a == register else v) for a, v in run.writes)
    return replace(run, writes=writes)


@pytest.fixture(scope="module")
def good() -> Job:
    """A network with every unit at work."""
    graph = random_network("attention", 3)
    return job("attention 3", graph, random_codes(graph, 3)[0], SMALL, trace=False)


def test_errors_and_recovery(good: Job, simulators: Path, tmp_path: Path) -> None:
    """Each bad run ends with its code; the good run after it is exact, without a reset."""
    network = good.network
    layout = memory_layout(network)
    cases: list[tuple[str, MappedNetwork, Conditions, str]] = []
    for name, (change, said, _) in PROGRAM_CASES.items():
        cases.append((name, changed(network, change), IDEAL, said))
    for name, (offset, said) in HEADER_CASES.items():
        cases.append((name, poke(network, offset, 1), IDEAL, said))
    bad_unit = poke(network, DESCRIPTOR_BYTES, 5)  # LOAD (0) becomes 5, which is no unit
    cases.append(("unknown unit", bad_unit, IDEAL, "BAD_DESCRIPTOR from the control part"))
    constants = 4096
    for name, (window, conditions, said) in BUS_CASES.items():
        start = layout.bases[window]
        first = start + constants if name == "weights read" else start
        last = start + layout.sizes[window] - 1 if name != "program read" else start + 200
        faulty = replace(conditions, fault_first=first, fault_last=last)
        cases.append((name, network, faulty, said))

    runs: list[Run] = []
    for _, bad, conditions, _ in cases:
        runs.append(image_run(bad, good.codes, conditions=conditions, watchdog=3000,
                              max_cycles=100_000))  # fmt: skip
        runs.append(image_run(network, good.codes, max_cycles=100_000))
    for name, (register, step, said) in REGISTER_CASES.items():
        if name.startswith("output window over"):
            step = 0xFFFFFFFC - layout.bases[2]
        cases.append((name, network, IDEAL, said))
        runs.append(shifted(image_run(network, good.codes, max_cycles=100_000), register, step))
        runs.append(image_run(network, good.codes, max_cycles=100_000))
    ends: list[str] = []

    def finished(index: int, run: Finished) -> None:
        name = cases[index // 2][0]
        if index % 2 == 0:
            with pytest.raises(MachineError) as error:
                image_result(network, run, good.codes)
            ends.append(str(error.value))
            assert cases[index // 2][3] in ends[-1], name
        else:
            result = image_result(network, run, good.codes)
            assert (result.output == expected).all(), f"good run after: {name}"

    output = np.zeros(network.output.size_bytes, dtype=np.uint8)
    windows = [network.image, network.input.pack(good.codes), output, np.zeros(0, np.uint8)]
    GoldenMachine(SMALL, windows).run()
    expected = network.output.unpack(output)
    system = simulator(SMALL, simulators, optimise=False)
    system.simulate(runs, tmp_path, on_finished=finished)
    assert len(ends) == len(cases) == 45


def test_restart_with_reads_still_under_way(good: Job, simulators: Path, tmp_path: Path) -> None:
    """The first burst of a table fails; the others still come in when the host starts again.

    Memory stays slow, so beats of the failed run would reach the next one if the interrupt did not
    wait for them.
    """
    network = good.network
    program = decode_program(network.spec, network.image.tobytes())
    table = next(d.fields for d in program if d.unit is Unit.LOAD and d.fields["beats"] > 256)
    start = memory_layout(network).bases[0] + table["offset"]
    slow = Conditions(stall_r=240, seed=3)
    fault = replace(slow, fault_read=Response.SLVERR, fault_first=start, fault_last=start + 3)
    runs = [
        image_run(network, good.codes, conditions=conditions, watchdog=20_000)
        for conditions in (fault, slow, fault, slow)
    ]
    system = simulator(SMALL, simulators, optimise=False)
    done = system.simulate(runs, tmp_path)
    expected = golden_run(network, good.codes)[0]
    for bad, after in zip(done[::2], done[1::2], strict=True):
        with pytest.raises(MachineError, match="BUS_READ from the load unit"):
            image_result(network, bad, good.codes)
        assert (image_result(network, after, good.codes).output == expected).all()


def test_errors_name_the_layer(good: Job) -> None:
    """The tag of the failing descriptor leads to the network's own name of the layer."""
    from flows.run.execute import describe_error

    tag = good.network.layers[2].tag
    said = describe_error(1 | 3 << 8 | tag << 16, good.network)
    assert said == (
        f"machine stopped with SCRATCHPAD_BOUNDS from the vector unit in layer "
        f"'{good.network.layers[2].name}' (error register {1 | 3 << 8 | tag << 16:#010x})"
    )


@pytest.mark.parametrize("name", [name for name, case in PROGRAM_CASES.items() if case[2]])
def test_golden_machine_refuses_too(good: Job, name: str) -> None:
    """What leaves its bounds in the RTL does so in the golden machine."""
    network = changed(good.network, PROGRAM_CASES[name][0])
    output = np.zeros(network.output.size_bytes, dtype=np.uint8)
    windows = [network.image, network.input.pack(good.codes), output, np.zeros(0, np.uint8)]
    with pytest.raises(ProgramError, match=r"must"):
        GoldenMachine(SMALL, windows).run()


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (0, "program magic must be 0x314d5752, not 0x314d5753"),
        (4, "program version must be 0x2, not 0x3"),
        (8, f"program fingerprint must be {SMALL.fingerprint:#x}, not {SMALL.fingerprint ^ 1:#x}"),
        (DESCRIPTOR_BYTES + 9, "program checksum must be 0x"),
    ],
)
def test_corrupted_program(good: Job, offset: int, said: str) -> None:
    image = poke(good.network, offset, 1).image
    with pytest.raises(ProgramError) as error:
        decode_program(SMALL, image.tobytes())
    assert str(error.value).startswith(said)


def test_truncated_program(good: Job) -> None:
    with pytest.raises(ProgramError, match=r"^program must be at least 128 bytes, not 40$"):
        decode_program(SMALL, good.network.image.tobytes()[:40])
    count = int(good.network.image[12])
    with pytest.raises(ProgramError, match=rf"^program must hold {count} descriptors, not 3$"):
        decode_program(SMALL, good.network.image.tobytes()[: DESCRIPTOR_BYTES * 4])
