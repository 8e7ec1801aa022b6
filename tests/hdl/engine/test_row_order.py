"""Results of a grid in another order, and of its first rows only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hdl.engine.row_grid import RowGrid
from hdl.rows.choose import row_blocks
from models.machine.spec import MachineSpec
from tests.support.hdl.plan import bits, check, run_plan


def test_order_and_short_loops(simulators: Path, tmp_path: Path) -> None:
    """K loops with and without ``short`` in a random sequence, under random stalls."""
    seed = 5
    rng = np.random.default_rng(seed)
    spec = MachineSpec(lanes=4, tokens=2, rows=8, vector_lanes=4).with_classes(
        [("fixed8", 5), ("pot4", 7)]
    )
    order, short, width = spec.drain_order, spec.dynamic_rows, spec.vector_lanes
    assert sorted(order) == list(range(12))
    assert order != tuple(range(12))
    assert short == 4
    blocks = row_blocks(spec.classes, family="generic", tokens=2, lanes=4, act_bits=8)
    grid = RowGrid(blocks, acc_bits=spec.acc_width, drain=width, order=order, short=short)
    layout, out = grid.i.payload.shape(), grid.o.payload.shape()
    beats, want = [], []
    for _ in range(150):
        length, brief = int(rng.integers(1, 6)), bool(rng.random() < 0.5)
        acts = rng.integers(-128, 128, (length, 2, 4))
        weights = np.array([rng.choice(kind.grid, (length, 4)) for kind in spec.row_formats])
        for k in range(length):
            codes = [
                kind.encode(w[k]).tolist()
                for kind, w in zip(spec.row_formats, weights, strict=True)
            ]
            end = int(k == length - 1)
            item = {"acts": acts[k].tolist(), "weights": codes, "last": end}
            beats.append(bits(layout, {**item, "short": int(brief)}))
        sums = np.einsum("ktl,rkl->tr", acts, weights)
        chosen = sums[:, :short] if brief else sums[:, list(order)]
        want += [bits(out, row) for row in chosen.reshape(-1, width).tolist()]
    got = run_plan(
        grid,
        "row_grid",
        simulators,
        tmp_path,
        inputs={"i": beats},
        outputs={"o": len(want)},
        seed=seed,
    )
    check(got["o"], want, "results", seed, out)
