"""Row reductions over rows of any length, values and masks, beats held up at random."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest

from hdl.vector.reduce import RowReduce
from models.machine.spec import MachineSpec
from tests.support.hdl.amaranth_cycles import simulate
from tests.support.specs import ODD, SMALL

pytestmark = pytest.mark.slow

CODES = (-(1 << 17), -(1 << 15), -1, 0, 1, (1 << 15) - 1, (1 << 17) - 1)
PASSES = ("largest", "square", "exponential")


@dataclass
class Beat:
    """What the lanes show in a cycle, and its tag."""

    tag: dict[str, int]
    codes: list[int]
    squares: list[int]
    exponentials: list[int]


def random_row(
    spec: MachineSpec, draws: random.Random, number: int
) -> tuple[list[Beat], str, dict[str, int]]:
    """Beats of one row in one pass, which one it is, and what must come of it."""
    kind = draws.choice(PASSES)
    lanes, row = spec.vector_lanes, number % spec.row_group
    count = draws.choice([1, 2, lanes, lanes + 1, 5 * lanes - 1, 300])
    limit = 1 << 15 if kind == "largest" else 1 << 17
    extreme = draws.random() < 0.3
    beats, values = [], []
    for start in range(0, count, lanes):
        here = min(lanes, count - start)
        known = [c for c in CODES if -limit <= c < limit]
        codes = [
            known[number % len(known)] if extreme
            else draws.choice([draws.randrange(-limit, limit), draws.choice(known)])
            for _ in range(lanes)
        ]  # fmt: skip
        exponentials = [0xFFFF if extreme else draws.randrange(1 << 16) for _ in range(lanes)]
        tag = {"valid": 1, "mask": (1 << here) - 1, kind: 1, "first": int(start == 0),
               "last": int(start + here == count), "row": row}  # fmt: skip
        beats.append(Beat(tag, codes, [c * c for c in codes], exponentials))
        values += list(zip(codes, exponentials, strict=True))[:here]
    if kind == "largest":
        return beats, kind, {"row": row, "max": max(c for c, _ in values)}
    total = sum(e if kind == "exponential" else c for c, e in values)
    want = {"row": row, "total": total}
    if kind == "square":
        want["squares"] = sum(c * c for c, _ in values)
    return beats, kind, want


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
def test_rows(spec: MachineSpec, seed: int) -> None:
    draws = random.Random(seed)
    rows = [random_row(spec, draws, number) for number in range(120)]
    beats = [beat for some, _, _ in rows for beat in some]
    wanted: dict[str, list[Any]] = {
        "max": [w for _, kind, w in rows if kind == "largest"],
        "sums": [(kind, w) for _, kind, w in rows if kind != "largest"],
    }
    dut = RowReduce(spec)

    async def bench(ctx: Any) -> None:
        todo = iter([*beats, *[None] * 400])
        shown: Beat | None = None
        moved, held = True, 0  # rows in the queue: the unit never lets a group be exceeded
        for cycle in range(60_000):
            ready = draws.random() < 0.7 or held >= spec.row_group - 2
            moved = draws.random() < 0.8 and held < spec.row_group - 2
            if moved:
                # Now and then a beat of nothing, between rows and within them.
                shown = None if draws.random() < 0.2 else next(todo, None)
            junk = draws.getrandbits(1)
            nothing = {"valid": 0, "first": junk, "last": junk, "square": junk}
            # Between beats something is shown that must not count.
            ctx.set(dut.tag, shown.tag if moved and shown else nothing)
            for lane in range(spec.vector_lanes):
                ctx.set(dut.codes[lane], shown.codes[lane] if shown else 5)
                ctx.set(dut.squares[lane], shown.squares[lane] if shown else 25)
                ctx.set(dut.exponentials[lane], shown.exponentials[lane] if shown else 9)
            ctx.set(dut.o.ready, ready)
            if ctx.get(dut.max_valid):
                got = {"row": ctx.get(dut.max_row), "max": ctx.get(dut.max)}
                want = wanted["max"].pop(0)
                assert got == want, f"cycle {cycle}: got {got}, want {want} (seed {seed})"
            if ctx.get(dut.o.valid) and ready:
                kind, want = wanted["sums"].pop(0)
                sums = {n: ctx.get(getattr(dut.o.payload, n)) for n in want}
                assert sums == want, f"cycle {cycle}, {kind}: got {sums}, want {want} (seed {seed})"
                held -= 1
            if moved and shown and shown.tag["last"] and "largest" not in shown.tag:
                held += 1
            await ctx.tick()
            if not any(wanted.values()):
                break
        assert not any(wanted.values()), f"missing: {wanted} (seed {seed})"

    simulate(dut, bench)
