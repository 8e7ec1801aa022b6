"""The weight unit against the golden one: stream, direct, transposed, under random stalls.

A third of the descriptors are the mapper's; the others are drawn from all that is legal.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from hdl.descriptors import struct
from hdl.engine.contract import weights_layout
from models.golden.matrix import weight
from models.golden.state import MachineState
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.descriptor import ProgramError
from models.program.layout import WEIGHT, WeightSource
from models.program.legal import broken_rule
from tests.hdl.units.test_matrix_unit import descriptors
from tests.support.hdl.plan import bits, run_plan, terms
from tests.support.hdl.unit_benches import WeightBench, word_write
from tests.support.specs import ODD, SMALL


def drawn(rng: np.random.Generator, state: MachineState) -> dict[str, int]:
    """A legal descriptor, also one that no mapper makes; reads stay in the scratchpad.

    Rows may end within the first tile or after the last one, and steps may be 0 or negative.
    """
    spec = state.spec
    while True:
        tiles = int(rng.integers(1, 4))
        fields = {
            "source": rng.choice([*WeightSource]),
            "tiles": tiles,
            "entries": rng.integers(1, 7),
            "base": rng.integers(0, len(state.scratchpad)),
            "stride": rng.choice([0, 1, -1, int(rng.integers(-40, 41))]),
            "rows": rng.choice([1, tiles * spec.rows, int(rng.integers(1, tiles * spec.rows + 4))]),
            "last_lanes": rng.integers(1, spec.lanes + 1),
            "zero": rng.choice([-128, 127, int(rng.integers(-128, 128))]),
        }
        whole = {name: int(value) for name, value in fields.items()}
        if broken_rule(spec, Unit.WEIGHT, whole) is None:
            with contextlib.suppress(ProgramError):
                if whole["source"] != WeightSource.STREAM:
                    weight(MachineState(spec=spec, windows=[]), whole)
                return whole


@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
def test_tiles(spec: MachineSpec, simulators: Path, tmp_path: Path) -> None:
    seed = 6
    rng = np.random.default_rng(seed)
    state = MachineState(spec=spec, windows=[])
    state.scratchpad[:] = rng.integers(0, 256, state.scratchpad.shape, dtype=np.uint8)
    mapped = [
        d for d in descriptors(spec, Unit.WEIGHT, range(12)) if d["tiles"] * d["entries"] < 60
    ]
    rng.shuffle(mapped)
    chosen = [*mapped[:15], *(drawn(rng, state) for _ in range(30))]
    rng.shuffle(chosen)
    assert {d["source"] for d in chosen} == set(WeightSource)
    words: list[int] = []
    counts = []
    for fields in chosen:
        if fields["source"] == WeightSource.STREAM:
            total = fields["tiles"] * spec.rows * fields["entries"]
            for _ in range(-(-total // spec.tokens)):
                word = rng.integers(0, 256, spec.word_bytes, dtype=np.uint8)
                state.weight_words.append(word)
                words.append(int.from_bytes(word, "little"))
        weight(state, fields)
        counts.append(fields["tiles"] * spec.rows * fields["entries"])
    fill = [
        bits(word_write(spec), {"address": a, "word": int.from_bytes(w, "little")})
        for a, w in enumerate(state.scratchpad)
    ]
    got = run_plan(
        WeightBench(spec),
        "weight_bench",
        simulators,
        tmp_path,
        inputs={
            "i_fill": fill,
            "i_words": words,
            "i_unit": [bits(struct(WEIGHT), d) for d in chosen],
        },
        outputs={"o_weights": sum(counts)},
        pulses={"done": len(chosen), "out_of_bounds": 0},
        after={"i_unit": ["i_fill"]},
        seed=seed,
    )
    beats = iter(terms(weights_layout(spec), item) for item in got["o_weights"])
    for index, fields in enumerate(chosen):
        for number in range(fields["tiles"]):
            want = state.tiles.popleft().reshape(spec.rows, fields["entries"], spec.lanes)
            tile = np.full_like(want, 999)
            for step in range(want.shape[0] * want.shape[1]):
                beat = next(beats)
                tile[beat["row"], beat["entry"]] = beat["values"]
                last = step == want.shape[0] * want.shape[1] - 1
                assert beat["last"] == last, f"descriptor {index}, tile {number}, entry {step}"
            wrong = np.argwhere(tile != want)
            assert not len(wrong), (
                f"descriptor {index} ({WeightSource(fields['source']).name}), tile {number}, "
                f"row/entry/lane {wrong[0]}: got {tile[tuple(wrong[0])]}, "
                f"want {want[tuple(wrong[0])]} (seed {seed})"
            )
