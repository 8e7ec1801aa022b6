"""A small store with something of everything that a report shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.sweep.definition import Definition, point_key
from flows.sweep.evaluate import ESTIMATE, evaluate
from flows.sweep.measure import SIMULATION, SYNTHESIS
from flows.sweep.model_mark import model_mark
from flows.sweep.point_store import Outcome, Store

ODD = '<b onload="x">&</b>.onnx'
"""Of a network; a store holds whatever a file may be called."""
DEFINITION = Definition(
    {
        "board": ["zcu102"],
        "network": ["resnet-18", "deit-tiny"],
        "lanes": [8, 16],
        "tokens": [2, 8],
        "rows": ["16", "32", "fixed8:16,pot4:16"],
        "depth": [4608],
        "bank_words": [16384, 32768],
    },
    [
        {"board": "arty-z7-20", "queue_depth": 6, "clock_mhz": 62.5},
        {"board": "nowhere", "lanes": 4},
    ],
)


def made_store(path: Path, model: str = "") -> list[Outcome]:
    """Make it; returns all that is in it.

    Two points have synthesised figures and one has simulated cycles, made up: 10 % more LUTs and
    20 % fewer cycles than estimated.
    """
    outcomes = evaluate(list(DEFINITION))
    known = {o.point: o.value for o in outcomes if o.value is not None}
    good = [point for point, value in known.items() if value["fits"] and "fps" in value]
    for point in good[:2]:
        value: dict[str, Any] = {name: known[point][name] for name in ("ff", "dsp", "bram36")}
        value |= {"lut": round(1.1 * known[point]["lut"]), "yosys": "0.70"}
        outcomes.append(Outcome(point=point, stage=SYNTHESIS, value=value))
    cycles = round(0.8 * known[good[0]]["cycles"])
    outcomes.append(Outcome(point=good[0], stage=SIMULATION, value={"cycles": cycles}))
    outcomes.append(Outcome(point=good[1], stage=SIMULATION, error="stopped at cycle <7>"))
    key = point_key({"board": "arty-z7-20", "network": ODD, "lanes": 8})
    outcomes.append(Outcome(point=key, stage=ESTIMATE, value=known[good[0]]))
    store = Store(path, model or model_mark())
    store.put(outcomes)
    store.close()
    return outcomes
