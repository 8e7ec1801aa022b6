"""Runs a component's Verilog against a plan: items for its input streams, items to come out.

The plan is made by the test from golden functions; the bench (:mod:`tests.hdl.bench_plan`) drives
every stream with random stalls and hands back what came out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amaranth.lib import data

from flows.verilog import emit
from sim.runner import Design, build

BENCH = "tests.hdl.bench_plan"


def run_plan(
    component: Any,
    name: str,
    cache: Path,
    work: Path,
    *,
    inputs: Mapping[str, Sequence[int]],
    outputs: Mapping[str, int],
    constants: Mapping[str, int] | None = None,
    pulses: Mapping[str, int] | None = None,
    after: Mapping[str, str] | None = None,
    seed: int = 1,
    stall: bool = True,
    max_cycles: int = 100_000,
) -> dict[str, Any]:
    """Build and run; gives the items of each output stream.

    Parameters
    ----------
    inputs : items of each input stream
    outputs : how many items to take of each output stream
    constants : values of ports that stay as they are
    pulses : ports whose high cycles are counted; the run waits for at least that many
    after : input stream -> input stream that must be drained before it begins
    stall : hold every stream back at random (seeded); else never
    """
    simulator = build(Design(top=name, generated={name: emit(component, name)}), cache)
    plan = {
        "inputs": {k: list(v) for k, v in inputs.items()},
        "outputs": dict(outputs),
        "constants": dict(constants or {}),
        "pulses": dict(pulses or {}),
        "after": dict(after or {}),
        "stall": stall,
        "seed": seed,
        "max_cycles": max_cycles,
    }
    work.mkdir(parents=True, exist_ok=True)
    (work / "plan.json").write_text(json.dumps(plan))
    simulator.run(BENCH, work, seed=seed, plusargs={"plan": "plan.json"})
    results: dict[str, Any] = json.loads((work / "results.json").read_text())
    return results


def bits(layout: data.Layout, value: Any) -> int:
    """A value in the terms of a layout (dictionaries, lists, integers) as the port's bits."""
    return int(layout.const(value).as_bits())


def terms(layout: Any, word: int) -> Any:
    """Inverse of :func:`bits`."""
    if isinstance(layout, data.ArrayLayout):
        view = data.Const(layout, word)
        return [_part(view[i]) for i in range(layout.length)]
    if isinstance(layout, data.Layout):
        view = data.Const(layout, word)
        return {name: _part(view[name]) for name, _ in layout}
    return word


def _part(value: Any) -> Any:
    return terms(value.shape(), value.as_bits()) if isinstance(value, data.Const) else value


def check(
    got: Sequence[int], want: Sequence[int], what: str, seed: int, layout: data.Layout | None = None
) -> None:
    """Compare items of a stream; a failure names the first wrong one in its own terms."""
    assert len(got) == len(want), f"{what}: {len(got)} items, want {len(want)} (seed {seed})"
    for index, (one, other) in enumerate(zip(got, want, strict=True)):
        if one != other:
            raise AssertionError(
                f"{what}, item {index}: got {terms(layout, one)}, want {terms(layout, other)} "
                f"(seed {seed})"
            )
