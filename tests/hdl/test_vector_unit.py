"""The vector unit against the golden one: each operator, every stream stalling at random."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from flows.mapper import map_network
from hdl.descriptors import struct
from hdl.engine.contract import accs_layout
from hdl.load_unit import TABLE_WRITE, ParamWrite
from models.machine.golden import UNITS, GoldenMachine
from models.machine.state import MachineState
from models.machine_spec import MachineSpec
from models.program.descriptor import decode_program
from models.program.layout import VECTOR, Unit, VectorOp
from models.rescale import Integers
from tests.flows.machines import ODD, SMALL
from tests.hdl.benches import VectorBench, word_write
from tests.hdl.plan import bits, check, run_plan
from tests.random_networks import random_codes, random_network

SOURCES = {
    VectorOp.DRAIN: "gemm",
    VectorOp.MAP: "add",
    VectorOp.ADD: "add",
    VectorOp.MAX_POOL: "pooling",
    VectorOp.AVERAGE_POOL: "pooling",
    VectorOp.LAYER_NORM: "normalisation",
    VectorOp.SOFTMAX: "normalisation",
}


@dataclass
class Before:
    """A vector descriptor and what it finds: memories, tables, accumulators."""

    fields: dict[str, int]
    scratchpad: Integers
    params: Integers
    function_table: Integers
    row_table: Integers
    accumulators: Integers | None
    after: Integers


def find(spec: MachineSpec, op: VectorOp, seed: int) -> Before:
    """The first such descriptor of a random network that has one, in the golden machine."""
    for number in range(seed * 100, seed * 100 + 100):
        graph = random_network(SOURCES[op], number)
        network = map_network(graph, spec)
        output = np.zeros(network.output.size_bytes, dtype=np.uint8)
        codes = random_codes(graph, number)[0]
        windows = [network.image, network.input.pack(codes), output, np.zeros(0, np.uint8)]
        state: MachineState = GoldenMachine(spec, windows).state
        for descriptor in decode_program(spec, network.image.tobytes()):
            wanted = descriptor.unit is Unit.VECTOR and descriptor.fields["op"] == op
            if not wanted:
                UNITS[descriptor.unit](state, descriptor.fields)
                continue
            before = (
                state.scratchpad.copy(),
                state.params.copy(),
                state.function_table.copy(),
                state.row_table.copy(),
                state.accumulators[0] if op is VectorOp.DRAIN else None,
            )
            UNITS[descriptor.unit](state, descriptor.fields)
            return Before(dict(descriptor.fields), *before, after=state.scratchpad.copy())
    raise AssertionError(f"no {op.name} in 100 networks")


def accumulator_beats(spec: MachineSpec, acc: Integers) -> list[int]:
    """Results ``[tokens, tiles * rows]`` as the engine drains them."""
    tokens = -(-len(acc) // spec.tokens) * spec.tokens
    padded = np.full((tokens, acc.shape[1]), 77, dtype=np.int64)  # nobody may want these
    padded[: len(acc)] = acc
    beats = []
    for tile in range(acc.shape[1] // spec.rows):
        for row in padded[:, tile * spec.rows : (tile + 1) * spec.rows].tolist():
            for start in range(0, spec.rows, spec.vector_lanes):
                beats.append(bits(accs_layout(spec), row[start : start + spec.vector_lanes]))
    return beats


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("op", list(VectorOp), ids=lambda op: op.name.lower())
@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
def test_operator(
    spec: MachineSpec, op: VectorOp, seed: int, simulators: Path, tmp_path: Path
) -> None:
    b = find(spec, op, seed)
    touched = np.flatnonzero(b.scratchpad.any(1) | b.after.any(1)).tolist()
    fill = [
        bits(word_write(spec), {"address": a, "word": int.from_bytes(b.scratchpad[a], "little")})
        for a in touched
    ]
    layout = ParamWrite(spec)
    params = [
        bits(
            layout,
            {"enable": 1, "entry": e, "lane": n, "value": int.from_bytes(b.params[e, n], "little")},
        )
        for e, n in np.argwhere(b.params.any(2)).tolist()
    ]
    tables = [
        bits(TABLE_WRITE, {"function": kind, "row": 1 - kind, "entry": e, "value": int(table[e])})
        for kind, table in ((1, b.function_table), (0, b.row_table))
        for e in np.flatnonzero(table).tolist()
    ]
    accs = [] if b.accumulators is None else accumulator_beats(spec, b.accumulators)
    got = run_plan(
        VectorBench(spec),
        "vector_bench",
        simulators,
        tmp_path,
        inputs={
            "i_fill": fill,
            "i_params": params,
            "i_tables": tables,
            "i_accs": accs,
            "i_unit": [bits(struct(VECTOR), b.fields)],
            "i_read": touched,
        },
        outputs={"o_read": len(touched)},
        pulses={"done": 1},
        after={"i_unit": ["i_fill", "i_params", "i_tables"], "i_read": ["done"]},
        seed=seed,
    )
    want = [int.from_bytes(b.after[a], "little") for a in touched]
    check(got["o_read"], want, f"{op.name} words {touched[0]}..{touched[-1]}", seed)
