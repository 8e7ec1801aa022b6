"""The weight unit against the golden one: stream, direct, transposed, under random stalls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hdl.descriptors import struct
from hdl.engine.contract import weights_layout
from models.golden.matrix import weight
from models.golden.state import MachineState
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.layout import WEIGHT, WeightSource
from tests.hdl.units.test_matrix_unit import descriptors
from tests.support.hdl.plan import bits, run_plan, terms
from tests.support.hdl.unit_benches import WeightBench, word_write
from tests.support.specs import ODD, SMALL


@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
def test_tiles(spec: MachineSpec, simulators: Path, tmp_path: Path) -> None:
    seed = 6
    rng = np.random.default_rng(seed)
    state = MachineState(spec=spec, windows=[])
    state.scratchpad[:] = rng.integers(0, 256, state.scratchpad.shape, dtype=np.uint8)
    chosen = [
        d for d in descriptors(spec, Unit.WEIGHT, range(12)) if d["tiles"] * d["entries"] < 60
    ]
    rng.shuffle(chosen)
    chosen = chosen[:30]
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
