"""Program fetch on a stalling bus: descriptors as they lie in memory, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hdl.descriptors import struct
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.descriptor import Descriptor, encode_program
from models.program.layout import DESCRIPTOR_BYTES, LOAD, LoadTarget
from models.program.registers import ErrorCode
from tests.support.hdl.plan import bits, check
from tests.support.hdl.transfer import MEMORY_BYTES, SPECS, Case, run_cases

BASE = 0x0F80  # neither on a page nor on a program


def random_program(spec: MachineSpec, rng: np.random.Generator, count: int) -> bytes:
    """Descriptors of random bits between header and ``END``; their units are not ``END``."""
    program = bytearray(encode_program(spec, [Descriptor(unit=Unit.LOAD)] * count))
    for index in range(1, count + 1):
        one = bytearray(rng.bytes(DESCRIPTOR_BYTES))
        one[0] = one[0] & ~7 | int(rng.integers(0, 7))
        program[index * DESCRIPTOR_BYTES : (index + 1) * DESCRIPTOR_BYTES] = one
    return bytes(program)


def memory_with(program: bytes, at: int, rng: np.random.Generator) -> bytes:
    """Random memory that holds a program."""
    memory = bytearray(rng.bytes(MEMORY_BYTES))
    memory[at : at + len(program)] = program
    return bytes(memory)


@pytest.mark.parametrize("name", SPECS)
def test_descriptors(name: str, simulators: Path, tmp_path: Path) -> None:
    """At any offset, also at the window's end; a load shares the bus; behind END none is read."""
    spec, seed = SPECS[name], 31
    rng = np.random.default_rng(seed)
    cases, wanted, beats = [], [], []
    for count in (0, 1, 17):
        program = random_program(spec, rng, count)
        offset = int(rng.integers(0, 40)) * 16
        memory = memory_with(program, BASE + offset, rng)
        size = offset + len(program)
        loads = 40 * spec.beats_per_word
        fields = {"target": LoadTarget.WEIGHTS, "window": 1, "beats": loads}
        cases.append(
            Case(
                memory=memory.hex(),
                windows=[(BASE, size), (0x4000, loads * spec.axi_bytes), (0, 0), (0, 0)],
                fetch=[offset],
                load=[bits(struct(LOAD), fields)],
                words=40,
                program=count + 1,
            )
        )
        wanted.append(
            (
                [
                    int.from_bytes(program[at : at + DESCRIPTOR_BYTES], "little")
                    for at in range(DESCRIPTOR_BYTES, len(program), DESCRIPTOR_BYTES)
                ],
                [
                    int.from_bytes(memory[at : at + spec.word_bytes], "little")
                    for at in range(0x4000, 0x4000 + 40 * spec.word_pitch, spec.word_pitch)
                ],
            )
        )
        beats.append(list(range(BASE + offset, BASE + size, spec.axi_bytes)))
    results = run_cases(spec, cases, simulators, tmp_path, seed=seed)
    for (descriptors, words), addresses, result in zip(wanted, beats, results, strict=True):
        assert not any(result["errors"].values()), f"{result['errors']} (seed {seed})"
        assert not any(result["extra"].values()), f"more came out: {result['extra']} (seed {seed})"
        check(result["program"], descriptors, f"descriptors of {len(descriptors)}", seed)
        check(result["words"], words, "weight words beside them", seed)
        assert [a for a in result["reads"] if a < 0x4000] == addresses


@pytest.mark.parametrize("name", SPECS)
def test_refusals(name: str, simulators: Path, tmp_path: Path) -> None:
    """Each tells its code and gives no descriptor that it should not; nothing outside is read."""
    spec, seed = SPECS[name], 32
    rng = np.random.default_rng(seed)
    program = random_program(spec, rng, 3)

    def changed(at: int, bit: int) -> bytes:
        data = bytearray(program)
        data[at] ^= 1 << bit
        return bytes(data)

    other = encode_program(replace(spec, queue_depth=9), [])
    size = len(program)
    bounds, bus = ErrorCode.WINDOW_BOUNDS, ErrorCode.BUS_READ
    # What it is, program, window's size, offset, faults, code, descriptors that come out before.
    wanted = [
        ("first bit of the magic", changed(0, 0), size, 0, [], ErrorCode.BAD_MAGIC, 0),
        ("last bit of the magic", changed(3, 7), size, 0, [], ErrorCode.BAD_MAGIC, 0),
        ("version", changed(4, 1), size, 0, [], ErrorCode.BAD_VERSION, 0),
        ("version, last bit", changed(7, 7), size, 0, [], ErrorCode.BAD_VERSION, 0),
        ("program of another machine", other, size, 0, [], ErrorCode.BAD_FINGERPRINT, 0),
        ("fingerprint, last bit", changed(11, 7), size, 0, [], ErrorCode.BAD_FINGERPRINT, 0),
        ("no window", program, 0, 0, [], bounds, 0),
        ("header beyond the window", program, DESCRIPTOR_BYTES - 1, 0, [], bounds, 0),
        ("END beyond the window", program, size - 1, 0, [], bounds, 3),
        ("offset at the end of numbers", program, size, (1 << 32) - 128, [], bounds, 0),
        ("fault in the header", program, size, 0, [BASE + 64], bus, 0),
        ("fault in the second one", program, size, 0, [BASE + 3 * 128 - spec.axi_bytes], bus, None),
    ]
    cases = [
        Case(
            memory=memory_with(data, BASE, rng).hex(),
            windows=[(BASE, window), (0, 0), (0, 0), (0, 0)],
            fetch=[offset],
            faults=faults,
            fails=True,
        )
        for _, data, window, offset, faults, _, _ in wanted
    ]
    results = run_cases(spec, cases, simulators, tmp_path, seed=seed)
    for (what, _, window, _, _, code, count), result in zip(wanted, results, strict=True):
        errors = {k: v for k, v in result["errors"].items() if v}
        assert errors == {"fetch_error": int(code)}, f"{what}: {errors} (seed {seed})"
        outside = [a for a in result["reads"] if not BASE <= a < BASE + window]
        assert not outside, f"{what}: reads {outside} (seed {seed})"
        got = result["extra"]["program"]
        if count is not None:
            assert got == count, f"{what}: {got} descriptors (seed {seed})"
        else:
            assert got <= 2, f"{what}: {got} descriptors (seed {seed})"
