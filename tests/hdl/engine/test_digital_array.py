"""The digital array against exact integer products, every stream stalling at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hdl.engine.contract import accs_layout, acts_layout, weights_layout
from hdl.engine.digital_array import DigitalArray
from models.machine.spec import MachineSpec
from tests.support.hdl.plan import bits, check, run_plan
from tests.support.specs import ODD, SMALL


def accumulators(spec: MachineSpec, acc: np.ndarray) -> list[int]:
    """A K loop's results ``[tokens, rows]`` as beats of the output stream."""
    lanes = spec.vector_lanes
    layout = accs_layout(spec)
    return [
        bits(layout, row[start : start + lanes])
        for row in acc.tolist()
        for start in range(0, spec.rows, lanes)
    ]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
def test_products(spec: MachineSpec, seed: int, simulators: Path, tmp_path: Path) -> None:
    """Tiles of random depth, several K loops each, operands at their ends included."""
    rng = np.random.default_rng(seed)
    weights: list[int] = []
    acts: list[int] = []
    want: list[int] = []
    width = spec.act_width
    ends = [-(1 << width - 1), (1 << width - 1) - 1]

    def operands(*shape: int) -> np.ndarray:
        values = rng.integers(ends[0], ends[1] + 1, shape)
        return np.where(rng.random(shape) < 0.2, rng.choice(ends, shape), values)

    for tile_index in range(30):
        deep = spec.depth_entries if tile_index == 3 else 9
        entries = deep if tile_index == 3 else int(rng.integers(1, deep))
        tile = operands(spec.rows, entries, spec.lanes)
        if tile_index == 3:
            tile[:] = ends[0]
        places = [(r, e) for r in range(spec.rows) for e in range(entries)]
        if rng.random() < 0.5:
            places.sort(key=lambda place: place[1])
        for index, (row, entry) in enumerate(places):
            last = int(index == len(places) - 1)
            values = tile[row, entry].tolist()
            item = {"row": row, "entry": entry, "values": values, "last": last}
            weights.append(bits(weights_layout(spec), item))
        loops = int(rng.integers(1, 5))
        for loop in range(loops):
            x = operands(entries, spec.tokens, spec.lanes)
            if tile_index == 3:
                x[:] = ends[0]
            want += accumulators(spec, np.einsum("ktl,rkl->tr", x, tile))
            for k in range(entries):
                last = int(k == entries - 1)
                release = last & int(loop == loops - 1)
                beat = {"values": x[k].tolist(), "last": last, "release": release}
                acts.append(bits(acts_layout(spec), beat))
    got = run_plan(
        DigitalArray(spec),
        "digital_array",
        simulators,
        tmp_path,
        inputs={"i_weights": weights, "i_acts": acts},
        outputs={"o_accs": len(want)},
        seed=seed,
    )
    check(got["o_accs"], want, "o_accs", seed, accs_layout(spec))
