"""The load unit against the golden one, on a stalling bus: every target, and every refusal."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdl.descriptors import struct
from hdl.units.load_unit import TABLE_WRITE, OrderWrite, ParamWrite
from models.golden.load_store import load
from models.golden.state import MachineState
from models.machine.spec import MachineSpec
from models.program.layout import LOAD, ROW_ENTRIES, TABLE_ENTRIES, LoadTarget
from models.program.registers import ErrorCode
from tests.support.hdl.plan import bits, check, terms
from tests.support.hdl.transfer import MEMORY_BYTES, SPECS, Case, run_cases
from tests.support.hdl.unit_benches import word_write

PAGE = 4096
TARGETS = [t for t in LoadTarget if t is not LoadTarget.ENGINE]
"""Those of machines without a macro; the other one is in test_macro_machine."""


def unit_beats(spec: MachineSpec, target: LoadTarget) -> int:
    """A load of this target is so many beats, or a multiple."""
    if target in (LoadTarget.SCRATCHPAD, LoadTarget.WEIGHTS, LoadTarget.ORDER):
        return spec.beats_per_word
    return max(1, 16 // spec.axi_bytes) if target is LoadTarget.PARAMS else 1


def room(spec: MachineSpec, target: LoadTarget) -> tuple[int, int]:
    """Places of a target, and how many places a unit of beats fills."""
    return {
        LoadTarget.SCRATCHPAD: (spec.scratchpad_words, 1),
        LoadTarget.WEIGHTS: (1 << 20, 1),
        LoadTarget.PARAMS: (spec.param_entries * spec.vector_lanes, 1),
        LoadTarget.FUNCTION_TABLE: (TABLE_ENTRIES, spec.axi_bytes // 2),
        LoadTarget.ROW_TABLE: (ROW_ENTRIES, spec.axi_bytes // 2),
        LoadTarget.ORDER: (spec.param_entries, 1),
    }[target]


def random_windows(spec: MachineSpec, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Four windows side by side, on beats but not on pages, of odd sizes."""
    beats = MEMORY_BYTES // spec.axi_bytes
    edges = np.sort(rng.choice(beats, 5, replace=False)) * spec.axi_bytes
    return [(int(a), int(b - a)) for a, b in pairwise(edges)]


def random_load(
    spec: MachineSpec, rng: np.random.Generator, sizes: list[int], target: LoadTarget
) -> dict[str, int]:
    """A legal load, often one that ends with its window or with its target."""
    step, (places, fills) = unit_beats(spec, target), room(spec, target)
    lanes = spec.vector_lanes if target is LoadTarget.PARAMS else 1
    window = int(np.argmax(np.array(sizes) * rng.random(4)))
    most = min(sizes[window] // spec.axi_bytes // step, places // fills, 90)
    units = int(rng.integers(1, most + 1))
    last = sizes[window] - units * step * spec.axi_bytes
    offset = last if rng.random() < 0.3 else int(rng.integers(0, last + 1))
    free = (places - units * fills) // lanes
    address = free if rng.random() < 0.3 else int(rng.integers(0, free + 1))
    return {
        "target": target,
        "window": window,
        "address": address if target is not LoadTarget.WEIGHTS else 0,
        "offset": offset // spec.axi_bytes * spec.axi_bytes,
        "beats": units * step,
    }


def written(spec: MachineSpec, state: MachineState, result: dict[str, Any]) -> None:
    """Put what the parameter and table ports said into a state's memories."""
    for item in result["params"]:
        one = terms(ParamWrite(spec), item)
        state.params[one["entry"], one["lane"]] = list(one["value"].to_bytes(9, "little"))
    for item in result["order"]:
        one = terms(OrderWrite(spec), item)
        state.order[one["entry"]] = list(one["value"].to_bytes(spec.word_bytes, "little"))
    for item in result["tables"]:
        one = terms(TABLE_WRITE, item)
        table = state.function_table if one["function"] else state.row_table
        table[one["entry"]] = one["value"]


def rivals(spec: MachineSpec, rng: np.random.Generator, there: list[int]) -> list[int]:
    """Writes of another unit into the same banks, to words that nobody compares."""
    banks = sorted({a // spec.bank_words for a in there})
    free = [next(a for a in span_of(spec, bank) if a not in set(there)) for bank in banks]
    chosen = rng.choice(free, 600).tolist()
    return [bits(word_write(spec), {"address": a, "word": 0}) for a in chosen]


def span_of(spec: MachineSpec, bank: int) -> range:
    """Addresses of a bank."""
    return range(bank * spec.bank_words, (bank + 1) * spec.bank_words)


@pytest.mark.parametrize("name", SPECS)
def test_every_target(name: str, simulators: Path, tmp_path: Path) -> None:
    """Loads of all targets in random order; then each word, parameter and entry is compared."""
    spec, seed = SPECS[name], 11
    rng = np.random.default_rng(seed)
    cases, states, fields = [], [], []
    for _ in range(2):
        memory = rng.integers(0, 256, MEMORY_BYTES, dtype=np.uint8)
        windows = random_windows(spec, rng)
        views = [memory[base : base + size] for base, size in windows]
        state = MachineState(spec=spec, windows=views)
        state.scratchpad[:] = 0xEE
        targets = 3 * TARGETS
        rng.shuffle(targets)
        some = [random_load(spec, rng, [s for _, s in windows], LoadTarget(t)) for t in targets]
        for one in some:
            load(state, one)
        there = np.flatnonzero((state.scratchpad != 0xEE).any(1)).tolist()
        cases.append(
            Case(
                memory=memory.tobytes().hex(),
                windows=windows,
                load=[bits(struct(LOAD), one) for one in some],
                read=there,
                rival_fill=rivals(spec, rng, there),
                words=len(state.weight_words),
            )
        )
        states.append(state)
        fields.append(some)
    results = run_cases(spec, cases, simulators, tmp_path, seed=seed)
    for case, state, some, result in zip(cases, states, fields, results, strict=True):
        assert not any(result["errors"].values()), f"{result['errors']} (seed {seed})"
        assert not any(result["extra"].values()), f"more came out: {result['extra']} (seed {seed})"
        want = [int.from_bytes(w, "little") for w in state.weight_words]
        check(result["words"], want, "weight words", seed)
        want = [int.from_bytes(state.scratchpad[a], "little") for a in case.read]
        check(result["read"], want, f"scratchpad words {case.read[0]}...", seed)
        got = MachineState(spec=spec, windows=[])
        written(spec, got, result)
        for what in ("params", "order", "function_table", "row_table"):
            wrong = np.argwhere(getattr(got, what) != getattr(state, what))
            assert not len(wrong), (
                f"{what}{wrong[0].tolist()}: got {getattr(got, what)[tuple(wrong[0])]}, "
                f"want {getattr(state, what)[tuple(wrong[0])]} (seed {seed})"
            )
        # Nothing but what was asked for is read, and that once.
        beats = [
            case.windows[f["window"]][0] + f["offset"] + spec.axi_bytes * i
            for f in some
            for i in range(f["beats"])
        ]
        assert result["reads"] == beats
        assert not result["writes"]


def refusals(spec: MachineSpec) -> list[tuple[str, dict[str, int], list[int], str, int]]:
    """What it is, fields, addresses of faults, the port that tells, the code."""
    beat, step = spec.axi_bytes, spec.beats_per_word
    size, base = PAGE // 2, PAGE  # of window 1
    good = {"target": LoadTarget.SCRATCHPAD, "window": 1, "address": 0, "offset": 0,
            "beats": step}  # fmt: skip
    weights = good | {"target": LoadTarget.WEIGHTS}
    words = size // spec.word_pitch
    whole = good | {"beats": words * step, "offset": size - words * spec.word_pitch}
    late = {"address": spec.param_entries - 1, "target": LoadTarget.PARAMS,
            "beats": max(1, 16 // beat) * (spec.vector_lanes + 1)}  # fmt: skip
    bounds, bus, entry = ErrorCode.WINDOW_BOUNDS, ErrorCode.BUS_READ, ErrorCode.ENTRY_BOUNDS
    return [
        ("one beat beyond the window", whole | {"offset": whole["offset"] + beat}, [], "load",
         bounds),
        ("offset beyond the window", good | {"offset": size}, [], "load", bounds),
        ("offset at the end of numbers", good | {"offset": (1 << 32) - beat}, [], "load", bounds),
        ("most beats there can be", good | {"beats": (1 << 24) - 1}, [], "load", bounds),
        ("offset between beats", weights | {"offset": beat // 2}, [], "load", bounds),
        ("window of no size", good | {"window": 3}, [], "load", bounds),
        ("fault at the first beat", whole, [base + whole["offset"]], "load", bus),
        ("fault at the last beat", whole, [base + size - beat], "load", bus),
        ("parameters beyond the end", good | late, [], "load", entry),
        ("function table beyond the end",
         good | {"target": LoadTarget.FUNCTION_TABLE, "address": TABLE_ENTRIES - 1, "beats": 2},
         [], "load", entry),
        ("row table beyond the end",
         good | {"target": LoadTarget.ROW_TABLE, "address": ROW_ENTRIES, "beats": 1},
         [], "load", entry),
        ("scratchpad beyond the end", good | {"address": spec.scratchpad_words}, [], "bounds", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("name", SPECS)
def test_refusals(name: str, simulators: Path, tmp_path: Path) -> None:
    """Each tells its code; out of a window nothing is read at all; the next start is good again."""
    spec, seed = SPECS[name], 12
    memory = np.random.default_rng(seed).integers(0, 256, MEMORY_BYTES, dtype=np.uint8)
    windows = [(0, PAGE), (PAGE, PAGE // 2), (2 * PAGE, PAGE), (3 * PAGE, 0)]
    wanted = refusals(spec)
    cases = []
    good = {"target": LoadTarget.SCRATCHPAD, "window": 1, "beats": spec.beats_per_word}
    for _, fields, faults, _, _ in wanted:
        common: dict[str, Any] = {"memory": memory.tobytes().hex(), "windows": windows}
        items = [bits(struct(LOAD), fields)]
        cases.append(Case(**common, load=items, faults=faults, fails=True))
        cases.append(Case(**common, load=[bits(struct(LOAD), good)], read=[0]))
    results = run_cases(spec, cases, simulators, tmp_path, seed=seed)
    word = int.from_bytes(memory[PAGE : PAGE + spec.word_bytes], "little")
    for (what, _, _, port, code), bad, after in zip(
        wanted, results[::2], results[1::2], strict=True
    ):
        errors = {k: v for k, v in bad["errors"].items() if v}
        assert errors == {f"{port}_error": int(code)}, f"{what}: {errors} (seed {seed})"
        inside = [PAGE <= a < PAGE + PAGE // 2 for a in bad["reads"]]
        assert all(inside), f"{what}: reads {bad['reads']} (seed {seed})"
        assert bool(inside) == (code is not ErrorCode.WINDOW_BOUNDS), f"{what}: {bad['reads']}"
        assert not any(after["errors"].values()), f"after {what}: {after['errors']}"
        assert after["read"] == [word], f"after {what}"
