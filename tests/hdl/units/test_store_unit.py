"""The store unit against the golden one, on a stalling bus: every byte of memory, every refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdl.descriptors import struct
from models.golden.load_store import store
from models.golden.state import MachineState
from models.machine.spec import MachineSpec
from models.program.layout import STORE
from models.program.registers import ErrorCode
from tests.hdl.units.test_load_unit import PAGE, random_windows
from tests.support.hdl.plan import bits
from tests.support.hdl.transfer import MEMORY_BYTES, SPECS, Case, run_cases
from tests.support.hdl.unit_benches import word_write


def fill(spec: MachineSpec, state: MachineState, addresses: list[int]) -> list[int]:
    """The words of a state as items of the fill stream."""
    return [
        bits(
            word_write(spec), {"address": a, "word": int.from_bytes(state.scratchpad[a], "little")}
        )
        for a in addresses
    ]


def random_store(spec: MachineSpec, rng: np.random.Generator, sizes: list[int]) -> dict[str, int]:
    """A legal store, often one that ends with its window or with the scratchpad."""
    window = int(np.argmax(np.array(sizes) * rng.random(4)))
    words = int(rng.integers(1, min(sizes[window] // spec.word_pitch, 60) + 1))
    last = sizes[window] - words * spec.word_pitch
    offset = last if rng.random() < 0.3 else int(rng.integers(0, last + 1))
    free = spec.scratchpad_words - words
    return {
        "window": window,
        "address": free if rng.random() < 0.3 else int(rng.integers(0, min(free, 120))),
        "offset": offset // spec.axi_bytes * spec.axi_bytes,
        "words": words,
    }


@pytest.mark.parametrize("name", SPECS)
def test_words(name: str, simulators: Path, tmp_path: Path) -> None:
    """Stores to random places of all windows: the whole memory is compared, pad bytes included."""
    spec, seed = SPECS[name], 21
    rng = np.random.default_rng(seed)
    cases, wanted, beats = [], [], []
    for _ in range(2):
        memory = rng.integers(0, 256, MEMORY_BYTES, dtype=np.uint8)
        before = memory.tobytes().hex()
        windows = random_windows(spec, rng)
        state = MachineState(spec=spec, windows=[memory[b : b + s] for b, s in windows])
        state.scratchpad[:] = rng.integers(0, 256, state.scratchpad.shape, dtype=np.uint8)
        some = [random_store(spec, rng, [s for _, s in windows]) for _ in range(12)]
        used: set[int] = set()
        for one in some:
            store(state, one)
            used |= set(range(one["address"], one["address"] + one["words"]))
        cases.append(
            Case(
                memory=before,
                windows=windows,
                fill=fill(spec, state, sorted(used)),
                store=[bits(struct(STORE), one) for one in some],
                rival_reads=rng.choice(sorted(used), 2000).tolist(),
            )
        )
        wanted.append(memory)
        beats.append(
            [
                windows[f["window"]][0] + f["offset"] + spec.axi_bytes * i
                for f in some
                for i in range(f["words"] * spec.beats_per_word)
            ]
        )
    results = run_cases(spec, cases, simulators, tmp_path, seed=seed)
    for memory, addresses, result in zip(wanted, beats, results, strict=True):
        assert not any(result["errors"].values()), f"{result['errors']} (seed {seed})"
        got = np.frombuffer(bytes.fromhex(result["memory"]), dtype=np.uint8)
        wrong = np.flatnonzero(got != memory)
        assert not len(wrong), (
            f"byte {wrong[0]:#x}: got {got[wrong[0]]}, want {memory[wrong[0]]} "
            f"({len(wrong)} wrong, seed {seed})"
        )
        assert [a // spec.axi_bytes * spec.axi_bytes for a, _ in result["writes"]] == addresses
        assert not result["reads"]


@pytest.mark.parametrize("name", SPECS)
def test_refusals(name: str, simulators: Path, tmp_path: Path) -> None:
    """Each tells its code; out of a window nothing is written; the next start is good again."""
    spec, seed = SPECS[name], 22
    rng = np.random.default_rng(seed)
    state = MachineState(spec=spec, windows=[])
    state.scratchpad[:] = rng.integers(0, 256, state.scratchpad.shape, dtype=np.uint8)
    memory = rng.integers(0, 256, MEMORY_BYTES, dtype=np.uint8)
    base, size, beat = PAGE, PAGE // 2, spec.axi_bytes
    words = size // spec.word_pitch
    windows = [(0, PAGE), (base, size), (2 * PAGE, PAGE), (3 * PAGE, 0)]
    good = {"window": 1, "address": 3, "offset": 0, "words": words}
    end = size - words * spec.word_pitch
    bounds, bus = ErrorCode.WINDOW_BOUNDS, ErrorCode.BUS_WRITE
    wanted = [
        ("one beat beyond the window", {"offset": end + beat}, [], "store", bounds),
        ("offset at the end of numbers", {"offset": (1 << 32) - beat, "words": 1}, [], "store",
         bounds),
        ("most words there can be", {"words": (1 << 24) - 1}, [], "store", bounds),
        ("offset between beats", {"offset": beat // 2, "words": 1}, [], "store", bounds),
        ("window of no size", {"window": 3, "words": 1}, [], "store", bounds),
        ("fault at the first beat", {}, [base], "store", bus),
        ("fault at the last beat", {"offset": end}, [base + size - beat], "store", bus),
        ("scratchpad beyond the end", {"address": spec.scratchpad_words - 1, "words": 2}, [],
         "bounds", 1),
    ]  # fmt: skip
    common: dict[str, Any] = {"memory": memory.tobytes().hex(), "windows": windows}
    cases = []
    for _, change, faults, _, _ in wanted:
        items = [bits(struct(STORE), good | change)]
        cases.append(Case(**common, store=items, faults=faults, fails=True))
        items = [bits(struct(STORE), good | {"words": 1})]
        cases.append(Case(**common, store=items, fill=fill(spec, state, [3])))
    results = run_cases(spec, cases, simulators, tmp_path, seed=seed)
    expected = memory.copy()
    expected[base : base + spec.word_bytes] = state.scratchpad[3]
    for (what, _, _, port, code), bad, after in zip(
        wanted, results[::2], results[1::2], strict=True
    ):
        errors = {k: v for k, v in bad["errors"].items() if v}
        assert errors == {f"{port}_error": int(code)}, f"{what}: {errors} (seed {seed})"
        inside = [base <= a < a + n <= base + size for a, n in bad["writes"]]
        assert all(inside), f"{what}: writes {bad['writes']} (seed {seed})"
        if code is ErrorCode.WINDOW_BOUNDS:
            assert not inside, f"{what}: writes {bad['writes']} (seed {seed})"
        got = bytes.fromhex(bad["memory"])
        outside = (*range(base), *range(base + size, MEMORY_BYTES))
        assert all(got[i] == memory[i] for i in outside), f"{what}: memory outside is not the same"
        assert not any(after["errors"].values()), f"after {what}: {after['errors']}"
        assert after["memory"] == expected.tobytes().hex(), f"after {what}"
