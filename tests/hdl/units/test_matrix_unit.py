"""The matrix unit's walk against the golden one, every stream stalling at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.mapper import map_network
from hdl.descriptors import struct
from hdl.engine.contract import acts_layout
from models.golden.matrix import walk
from models.golden.state import MachineState
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.descriptor import decode_program
from models.program.layout import MATRIX
from tests.support.hdl.plan import bits, check, run_plan
from tests.support.hdl.unit_benches import MatrixBench, word_write
from tests.support.machines import ODD, SMALL
from tests.support.random_networks import random_network


def descriptors(spec: MachineSpec, unit: Unit, seeds: range) -> list[dict[str, int]]:
    """Fields of a unit's descriptors as the mapper makes them for random networks."""
    found = []
    for seed in seeds:
        for kind in ("convolution", "attention", "gemm"):
            network = map_network(random_network(kind, seed), spec)
            program = decode_program(spec, network.image.tobytes())
            found += [dict(d.fields) for d in program if d.unit is unit]
    return found


@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
def test_walks(spec: MachineSpec, simulators: Path, tmp_path: Path) -> None:
    seed = 5
    rng = np.random.default_rng(seed)
    state = MachineState(spec=spec, windows=[])
    state.scratchpad[:] = rng.integers(0, 256, state.scratchpad.shape, dtype=np.uint8)
    chosen = [d for d in descriptors(spec, Unit.MATRIX, range(12)) if d["tokens"] < 60]
    rng.shuffle(chosen)
    used = set()
    want = []
    for fields in chosen[:24]:
        fields["tiles"] = min(fields["tiles"], 2)
        x, addresses = walk(state, fields)
        used |= set(addresses.reshape(-1).tolist())
        tokens = -(-len(x) // spec.tokens) * spec.tokens
        padded = np.zeros((tokens, x.shape[1]), dtype=np.int64)
        padded[: len(x)] = x
        blocks = padded.reshape(tokens // spec.tokens, spec.tokens, -1, spec.lanes)
        for _ in range(fields["tiles"]):
            for group, block in enumerate(blocks):
                for k in range(block.shape[1]):
                    last = int(k == block.shape[1] - 1)
                    release = last & int(group == len(blocks) - 1)
                    item = {"values": block[:, k].tolist(), "last": last, "release": release}
                    want.append(bits(acts_layout(spec), item))
    fill = [
        bits(
            word_write(spec), {"address": a, "word": int.from_bytes(state.scratchpad[a], "little")}
        )
        for a in sorted(used)
    ]
    units = [bits(struct(MATRIX), fields) for fields in chosen[:24]]
    got = run_plan(
        MatrixBench(spec),
        "matrix_bench",
        simulators,
        tmp_path,
        inputs={"i_fill": fill, "i_unit": units},
        outputs={"o_acts": len(want)},
        # Positions outside of the image lie beyond the scratchpad; they must not be read.
        pulses={"done": len(units), "out_of_bounds": 0},
        after={"i_unit": ["i_fill"]},
        seed=seed,
    )
    check(got["o_acts"], want, "o_acts", seed, acts_layout(spec))
