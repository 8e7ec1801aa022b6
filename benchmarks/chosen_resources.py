"""A machine that a search chose, synthesised part by part by Yosys.

Figures are appended to ``benchmarks/data/chosen_resources.jsonl``; those of parts are kept in
``build/parts``, so that an interruption loses only the part at work.
"""

from __future__ import annotations

import datetime
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.estimate.cycles.cycle_points import spec_fields
from flows.estimate.resources.machine_synthesis import synthesise_machine
from flows.estimate.resources.resources import estimate_resources
from models.machine.spec import MachineSpec

__all__ = ["RESOURCES", "beside", "synthesise"]

RESOURCES = Path(__file__).with_name("data") / "chosen_resources.jsonl"
PARTS = Path(__file__).resolve().parents[1] / "build" / "parts"
METRICS = ("lut", "ff", "dsp")


def _known(spec: MachineSpec, family: str, file: Path) -> dict[str, Any] | None:
    lines = file.read_text().splitlines() if file.exists() else []
    for one in map(json.loads, lines):
        if one["family"] == family and MachineSpec(**one["spec"]) == spec:
            found: dict[str, Any] = one
            return found
    return None


def synthesise(spec: MachineSpec, family: str, file: Path = RESOURCES) -> None:
    """Synthesise the machine, unless the file has it."""
    if _known(spec, family, file):
        return
    PARTS.mkdir(parents=True, exist_ok=True)
    found = synthesise_machine(
        spec, family, cache=PARTS,
        progress=lambda part, done, of: print(f"{done} of {of}: {part}", file=sys.stderr),
    )  # fmt: skip
    point = {
        "spec": spec_fields(spec),
        "family": family,
        **asdict(found),
        "date": datetime.date.today().isoformat(),
    }
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as stream:
        stream.write(json.dumps(point, separators=(",", ":")) + "\n")


def beside(spec: MachineSpec, family: str, file: Path = RESOURCES) -> dict[str, Any]:
    """Synthesised beside estimated figures; nothing where the machine was not synthesised."""
    known = _known(spec, family, file)
    if known is None:
        return {}
    cost = estimate_resources(spec, family)
    return {
        metric: {
            "synthesised": known[metric],
            "estimated": getattr(cost, metric),
            "error": getattr(cost, metric) / known[metric] - 1,
        }
        for metric in METRICS
    }
