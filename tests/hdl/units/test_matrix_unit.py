"""The matrix unit's walk against the golden one, every stream stalling at random.

A third of the walks are the mapper's; the others are drawn from all that is legal.
"""

from __future__ import annotations

import contextlib
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
from models.program.descriptor import ProgramError, decode_program
from models.program.layout import MATRIX
from models.program.legal import broken_rule
from tests.support.hdl.plan import bits, check, run_plan
from tests.support.hdl.unit_benches import MatrixBench, word_write
from tests.support.random_networks import random_network
from tests.support.specs import ODD, SMALL


def descriptors(spec: MachineSpec, unit: Unit, seeds: range) -> list[dict[str, int]]:
    """Fields of a unit's descriptors as the mapper makes them for random networks."""
    found = []
    for seed in seeds:
        for kind in ("convolution", "attention", "gemm"):
            network = map_network(random_network(kind, seed), spec)
            program = decode_program(spec, network.image.tobytes())
            found += [dict(d.fields) for d in program if d.unit is unit]
    return found


def drawn(rng: np.random.Generator, state: MachineState) -> dict[str, int]:
    """A legal walk of any steps, also those that no mapper makes; reads stay in the scratchpad."""
    spec = state.spec
    while True:
        width = int(rng.integers(1, 7))
        fields = {
            "tiles": rng.integers(1, 3),
            "tokens": rng.integers(1, 4 * width + 1),
            "width": width,
            "base": rng.integers(-100, len(state.scratchpad)),
            "words": rng.integers(1, 4),
            "last_beats": rng.integers(1, spec.tokens + 1),
            "zero": rng.choice([-128, 127, int(rng.integers(-128, 128))]),
        }
        for axis in ("y", "x"):
            fields[f"kernel_{axis}"] = rng.integers(1, 4)
            fields[f"stride_{axis}"] = rng.integers(0, 4)
            fields[f"dilation_{axis}"] = rng.integers(0, 4)
            fields[f"start_{axis}"] = rng.integers(-4, 4)
        fields["in_height"], fields["in_width"] = rng.integers(0, 9, 2)
        for step in ("token_step", "line_step", "tap_step", "tap_line_step"):
            fields[step] = rng.integers(-20, 21)
        whole = {name: int(value) for name, value in fields.items()}
        if broken_rule(spec, Unit.MATRIX, whole) is None:
            with contextlib.suppress(ProgramError):
                walk(state, whole)
                return whole


@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
def test_walks(spec: MachineSpec, simulators: Path, tmp_path: Path) -> None:
    seed = 5
    rng = np.random.default_rng(seed)
    state = MachineState(spec=spec, windows=[])
    state.scratchpad[:] = rng.integers(0, 256, state.scratchpad.shape, dtype=np.uint8)
    mapped = [d for d in descriptors(spec, Unit.MATRIX, range(4)) if d["tokens"] < 60]
    rng.shuffle(mapped)
    chosen = [*mapped[:10], *(drawn(rng, state) for _ in range(30))]
    rng.shuffle(chosen)
    used = set()
    want = []
    for fields in chosen:
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
    units = [bits(struct(MATRIX), fields) for fields in chosen]
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
