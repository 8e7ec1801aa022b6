"""The vector unit against the golden one: each operator, every stream stalling at random.

Half of the descriptors are the mapper's; in the others numbers are drawn from all that is legal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from flows.mapper import map_network
from hdl.descriptors import struct
from hdl.engine.contract import accs_layout
from hdl.units.load_unit import TABLE_WRITE, ParamWrite
from models.golden.machine import EXECUTE, GoldenMachine
from models.golden.state import MachineState
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.numerics.rescale import Integers, Rounding
from models.program.descriptor import decode_program
from models.program.layout import TABLE_ENTRIES, VECTOR, VectorOp
from models.program.legal import broken_rule
from tests.support.hdl.plan import Round, bits, run_rounds
from tests.support.hdl.unit_benches import VectorBench, word_write
from tests.support.random_networks import random_codes, random_network
from tests.support.specs import ODD, SMALL

SOURCES = {
    VectorOp.DRAIN: "gemm",
    VectorOp.MAP: "add",
    VectorOp.ADD: "add",
    VectorOp.MAX_POOL: "pooling",
    VectorOp.AVERAGE_POOL: "pooling",
    VectorOp.LAYER_NORM: "normalisation",
    VectorOp.SOFTMAX: "normalisation",
}

SEEDS = range(1, 7)


@dataclass
class Before:
    """A vector descriptor and what it finds: memories, tables, accumulators."""

    fields: dict[str, int]
    scratchpad: NDArray[np.uint8]
    params: NDArray[np.uint8]
    function_table: Integers
    row_table: Integers
    accumulators: Integers | None
    after: NDArray[np.uint8]


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
                EXECUTE[descriptor.unit](state, descriptor.fields)
                continue
            before = (
                state.scratchpad.copy(),
                state.params.copy(),
                state.function_table.copy(),
                state.row_table.copy(),
                state.accumulators[0] if op is VectorOp.DRAIN else None,
            )
            EXECUTE[descriptor.unit](state, descriptor.fields)
            return Before(dict(descriptor.fields), *before, after=state.scratchpad.copy())
    raise AssertionError(f"no {op.name} in 100 networks")


def varied(rng: np.random.Generator, spec: MachineSpec, b: Before, sums: Integers) -> Before:
    """The same addresses with other numbers, rounding and limits; the golden unit's result.

    ``sums`` are those that wait for another part of K: drains keep and take them, in place.
    """
    fields = dict(b.fields)
    most = 32767 if fields["wide_out"] else 127
    limits = sorted(rng.choice([-most - 1, most, *rng.integers(-most - 1, most + 1, 2)], 2))
    code = 32767 if fields["wide_in"] else 127
    codes = [-code - 1, code, *rng.integers(-code - 1, code + 1, 3)]
    multiplier = fields["multiplier"]
    drawn = {
        "rounding": rng.choice([*Rounding]),
        "zero": rng.choice([-most - 1, most, *rng.integers(-most - 1, most + 1, 2)]),
        "shift": rng.choice([0, 62, fields["shift"], *rng.integers(0, 63, 2)]),
        "multiplier": rng.choice([-(1 << 31), (1 << 31) - 1, 0, -multiplier, multiplier]),
        "b_multiplier": rng.choice([-(1 << 24), (1 << 24) - 1, fields["b_multiplier"]]),
        "a_zero": rng.choice(codes),
        "b_zero": rng.choice(codes),
        "rows": rng.integers(1, fields["rows"] + 1),
    }
    if fields["op"] == VectorOp.ADD:
        drawn["multiplier"] = rng.choice([-(1 << 24), (1 << 24) - 1, multiplier])
    if fields["op"] in (VectorOp.DRAIN, VectorOp.LAYER_NORM, VectorOp.SOFTMAX):
        # Their sums and scales are of the rows and channels at hand.
        drawn = {name: drawn[name] for name in ("rounding", "zero")}
    fields |= {name: int(value) for name, value in drawn.items()}
    fields |= {"low": int(limits[0]), "high": int(limits[1])}
    if fields["op"] == VectorOp.DRAIN:
        padded = -(-fields["rows"] // spec.tokens) * spec.tokens
        if fields["tiles"] * padded * spec.rows // spec.vector_lanes <= spec.part_sums:
            fields |= {name: int(rng.integers(2)) for name in ("keep_sums", "take_sums")}
    assert broken_rule(spec, Unit.VECTOR, fields) is None
    state = MachineState(spec=spec, windows=[])
    state.scratchpad[:], state.params[:] = b.scratchpad, b.params
    state.function_table[:], state.row_table[:] = b.function_table, b.row_table
    if b.accumulators is not None:
        state.accumulators.append(b.accumulators)
    state.part_sums[:] = sums
    EXECUTE[Unit.VECTOR](state, fields)
    sums[:] = state.part_sums
    return replace(b, fields=fields, after=state.scratchpad.copy())


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


class Dirty:
    """What earlier rounds have written into the simulated unit: it must be set anew."""

    def __init__(self, spec: MachineSpec) -> None:
        self.words = np.zeros(spec.scratchpad_words, dtype=bool)
        self.params = np.zeros((spec.param_entries, spec.vector_lanes), dtype=bool)
        self.tables = np.zeros((2, TABLE_ENTRIES), dtype=bool)

    def round(self, spec: MachineSpec, b: Before) -> tuple[Round, list[int]]:
        """A round that brings the memories to where the descriptor finds them; words to read."""
        both = np.array([b.row_table, b.function_table])
        self.words |= b.scratchpad.any(1) | b.after.any(1)
        self.params |= b.params.any(2)
        self.tables |= both != 0
        words = np.flatnonzero(self.words).tolist()
        layout, number = ParamWrite(spec), int.from_bytes
        inputs = {
            "i_fill": [
                bits(word_write(spec), {"address": a, "word": number(b.scratchpad[a], "little")})
                for a in words
            ],
            "i_params": [
                bits(layout, {"enable": 1, "entry": e, "lane": n,
                              "value": number(b.params[e, n], "little")})
                for e, n in np.argwhere(self.params).tolist()
            ],
            "i_tables": [
                bits(TABLE_WRITE, {"function": k, "row": 1 - k, "entry": e,
                                   "value": int(both[k, e])})
                for k, e in np.argwhere(self.tables).tolist()
            ],
            "i_accs": [] if b.accumulators is None else accumulator_beats(spec, b.accumulators),
            "i_unit": [bits(struct(VECTOR), b.fields)],
            "i_read": words,
        }  # fmt: skip
        one = Round(
            inputs=inputs,
            outputs={"o_read": len(words)},
            pulses={"done": 1, "out_of_bounds": 0},
            after={"i_unit": ["i_fill", "i_params", "i_tables"], "i_read": ["done"]},
        )
        return one, words


@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
def test_operators(spec: MachineSpec, simulators: Path, tmp_path: Path) -> None:
    """Descriptors of every operator one after the other, in random order; all words compared."""
    seed = 4
    dirty = Dirty(spec)
    rng = np.random.default_rng(seed)
    cases = [(op, number) for op in VectorOp for number in SEEDS]
    cases += [(VectorOp.DRAIN, number) for number in range(7, 19)]
    rng.shuffle(cases)
    mapped = [find(spec, VectorOp(op), number) for op, number in cases]
    # Twice each: addresses and memories of the first are those of the second.
    cases = [case for case in cases for _ in range(2)]
    sums = MachineState(spec=spec, windows=[]).part_sums
    found = [one for b in mapped for one in (b, varied(rng, spec, b, sums))]
    seen = {(b.fields["keep_sums"], b.fields["take_sums"]) for b in found}
    assert len(seen) == 4, seen
    rounds = [dirty.round(spec, b) for b in found]
    results = run_rounds(
        VectorBench(spec), "vector_bench", simulators, tmp_path, [r for r, _ in rounds], seed=seed
    )
    for (op, number), b, (_, words), got in zip(cases, found, rounds, results, strict=True):
        for address, word in zip(words, got["o_read"], strict=True):
            want = int.from_bytes(b.after[address], "little")
            before = int.from_bytes(b.scratchpad[address], "little")
            assert word == want, (
                f"{VectorOp(op).name} of network {number}, word {address}: got {word:#x}, want "
                f"{want:#x}, before {before:#x} (seed {seed}); {b.fields}"
            )
