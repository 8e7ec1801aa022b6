"""100,000 elements through the vector lane: every operator, every tie rule, every corner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdl.descriptors import struct
from hdl.units.load_unit import TABLE_WRITE
from models.numerics.rescale import Integers, Rounding
from models.program.layout import TABLE_ENTRIES, VECTOR, VectorOp
from tests.support.hdl.lane_elements import BEATS, UNUSED, Elements
from tests.support.hdl.lanes import LANES, OPERAND, RESULT, LaneBench
from tests.support.hdl.plan import bits, run_plan


def packed(layout: Any, values: dict[str, Integers]) -> list[int]:
    """Beats of ``LANES`` structures; much faster than one constant after the other."""
    word = np.zeros((BEATS, LANES), dtype=object)
    for name, field in layout:
        size = field.width
        word |= (np.asarray(values[name]).astype(object) & ((1 << size) - 1)) << field.offset
    return [sum(int(w) << layout.size * i for i, w in enumerate(beat)) for beat in word]


def operands(layout: Any, values: dict[str, Integers]) -> list[int]:
    """As :func:`packed`, with the values of a row in their own structure."""
    row = np.zeros((BEATS, LANES), dtype=object)
    for name, field in layout["row"].shape:
        row |= (values[name].astype(object) & ((1 << field.width) - 1)) << field.offset
    return packed(layout, {**values, "row": row})


@pytest.mark.parametrize("seed", [1])
def test_every_element(seed: int, simulators: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(-32768, 32768, TABLE_ENTRIES)
    table[:: TABLE_ENTRIES - 1] = (-32768, 32767)
    jobs = []
    for op in VectorOp:
        for rule in Rounding:
            for use in (False, True):
                jobs.append(Elements(rng, op, rule, use))
                jobs[-1].make(table)
    beats: list[int] = []
    for job in jobs:
        items = operands(OPERAND, job.operand)
        last = 1 << OPERAND.size * LANES
        beats += [*items[:-1], items[-1] | last]
    writes = [
        bits(TABLE_WRITE, {"function": 1, "row": 0, "entry": e, "value": int(v) & 0xFFFF})
        for e, v in enumerate(table)
    ]
    got = run_plan(
        LaneBench(),
        "lane_bench",
        simulators,
        tmp_path,
        inputs={"i_tables": writes, "i_config": [bits(struct(VECTOR), j.fields) for j in jobs],
                "i": beats},
        outputs={"o": len(beats)},
        after={"i_config": ["i_tables"]},
        seed=seed,
    )  # fmt: skip
    assert len(beats) * LANES >= 100_000
    for number, job in enumerate(jobs):
        part = got["o"][number * BEATS : (number + 1) * BEATS]
        for name, want in job.want.items():
            field = RESULT[name]
            signed = field.shape.signed if hasattr(field.shape, "signed") else False
            compare(job, name, lane_values(part, field.offset, field.width, signed), want, seed)


def lane_values(beats: list[int], offset: int, size: int, signed: bool) -> Integers:
    """One field of every lane."""
    values = np.array(
        [
            [b >> RESULT.size * i + offset & ((1 << size) - 1) for i in range(LANES)]
            for b in beats
        ],
        dtype=np.int64,
    )  # fmt: skip
    return (values ^ (1 << size - 1)) - (1 << size - 1) if signed else values


def compare(job: Elements, name: str, got: Integers, want: Integers, seed: int) -> None:
    """A failure tells operands, fields, got and want of the first wrong element."""
    wrong = np.argwhere((got != want) & (want != UNUSED))
    if len(wrong):
        at = tuple(wrong[0])
        operand = {k: int(v[at]) for k, v in job.operand.items() if v[at]}
        raise AssertionError(
            f"{job.op.name} {job.rule.name}, {name} of element {at[0] * LANES + at[1]}: "
            f"got {got[at]}, want {want[at]} ({len(wrong)} wrong, seed {seed}); {operand}; "
            f"{job.fields}"
        )
