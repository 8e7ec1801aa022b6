"""Runs a component's Verilog against a plan: items for its input streams, items to come out.

The plan is made by the test from golden functions; the bench
(:mod:`tests.support.hdl.bench_plan`) drives every stream with random stalls and hands back what
came out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from amaranth.lib import data

from hdl.emit import emit
from sim.runner import Design, build
from tests.support.hdl.alone import Alone

BENCH = "tests.support.hdl.bench_plan"


@dataclass(frozen=True, kw_only=True)
class Round:
    """Items of one round; the next one begins when all of it has come.

    Parameters
    ----------
    inputs : items of each input stream
    outputs : how many items to take of each output stream
    pulses : ports whose high cycles are counted; the round waits for at least that many
    after : input stream -> input streams that must be drained (or ports that must have pulsed)
        before it begins
    """

    inputs: Mapping[str, Sequence[int]]
    outputs: Mapping[str, int]
    pulses: Mapping[str, int] = field(default_factory=dict)
    after: Mapping[str, Sequence[str]] = field(default_factory=dict)


def run_rounds(
    component: Any,
    name: str,
    cache: Path,
    work: Path,
    rounds: Sequence[Round],
    *,
    constants: Mapping[str, int] | None = None,
    seed: int = 1,
    stall: bool = True,
    max_cycles: int = 100_000,
    sources: Sequence[Path] = (),
) -> list[dict[str, Any]]:
    """Build once and run all rounds in one process; gives each round's items by output stream.

    All rounds have the same streams. With ``stall`` each of them is held back at random (seeded);
    ``constants`` are values of ports that stay as they are; ``sources`` is Verilog (and lint
    waivers for it) beside the component's own.
    """
    text = emit(Alone(component), name)
    design = Design(top=name, generated={name: text}, sources=tuple(sources))
    simulator = build(design, cache)
    plan = {
        "rounds": [asdict(one) for one in rounds],
        "constants": dict(constants or {}),
        "stall": stall,
        "seed": seed,
        "max_cycles": max_cycles,
    }
    work.mkdir(parents=True, exist_ok=True)
    (work / "plan.json").write_text(json.dumps(plan))
    simulator.run(BENCH, work, seed=seed, plusargs={"plan": "plan.json"})
    results: list[dict[str, Any]] = json.loads((work / "results.json").read_text())
    return results


def run_plan(
    component: Any,
    name: str,
    cache: Path,
    work: Path,
    *,
    inputs: Mapping[str, Sequence[int]],
    outputs: Mapping[str, int],
    pulses: Mapping[str, int] | None = None,
    after: Mapping[str, Sequence[str]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A plan of one round."""
    one = Round(inputs=inputs, outputs=outputs, pulses=pulses or {}, after=after or {})
    return run_rounds(component, name, cache, work, [one], **more)[0]


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
