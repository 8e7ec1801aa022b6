"""Error of estimates on machines and networks that no coefficient was fitted to.

``python -m benchmarks.estimate_error --held-out [--json]`` compares with the synthesised parts in
the file of points; ``--regenerate`` synthesises again what is missing there (hours, goes on where
it was stopped). Machines of which parts are missing are left out; ``machines`` is how many are not.
Cycles are those of ``benchmarks.cycle_points``: whole networks on simulated machines.
"""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import arguments, show
from benchmarks.resource_points import (
    POINTS,
    calibration,
    held_out,
    part_id,
    read_points,
    synthesise_missing,
)
from flows.estimate.machine_points import Points
from flows.estimate.resources.parts import machine_parts
from flows.estimate.resources.resources import resource_columns
from flows.work.atomic import output_file
from models.cost.memories import block_rams

ERRORS = POINTS.with_name("resource_error.json")
CYCLES = POINTS.with_name("cycle_error.json")


def resource_errors(points: Path = POINTS) -> dict[str, Any]:
    """Relative errors of LUTs and flip-flops, differences of DSP slices and block RAM."""
    known = read_points(points)
    machines, families, true = [], [], defaultdict(list)
    distinct = set()
    for spec, family in held_out():
        parts = machine_parts(spec, family)
        names = [part_id(part, family) for part in parts]
        if not known.keys() >= set(names):
            continue
        distinct |= set(names)
        machines.append(spec)
        families.append(family)
        for metric in ("lut", "ff", "dsp"):
            figures = (known[n][metric] * p.count for n, p in zip(names, parts, strict=True))
            true[metric].append(sum(figures))
        true["bram36"].append(block_rams(spec))
    if not machines:
        raise SystemExit("machines must be at least one with all its parts synthesised, not none")
    found = resource_columns(Points.of(machines, families))
    fitted = {part_id(part, family) for spec, family in calibration()
              for part in machine_parts(spec, family)}  # fmt: skip
    result: dict[str, Any] = {
        "machines": len(machines),
        "parts": len(distinct),
        "parts_not_fitted_to": len(distinct - fitted),
    }
    for metric in ("lut", "ff"):
        error = np.abs(getattr(found, metric) / np.array(true[metric]) - 1)
        result[f"{metric}_median"] = float(np.median(error))
        result[f"{metric}_p95"] = float(np.percentile(error, 95))
        result[f"{metric}_max"] = float(error.max())
    for metric, name in (("dsp", "dsp"), ("bram36", "bram")):
        difference = np.abs(getattr(found, metric) - np.array(true[metric]))
        result[f"{name}_max_error"] = int(difference.max())
    return result


def cycle_errors(path: Path = CYCLES) -> dict[str, Any]:
    """Relative errors of cycles, of layers and of whole images, as they were measured last."""
    known = json.loads(path.read_text())
    names = ("median", "p95", "max")
    layers = {f"cycles_{name}": known[f"layer_{name}"] for name in names}
    return layers | {f"image_cycles_{name}": known[f"network_{name}"] for name in names}


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "",
        held_out={"action": "store_true", "help": "machines not fitted to (the only choice)"},
        regenerate={"action": "store_true", "help": "synthesise what is missing first"},
        store={"action": "store_true", "help": "keep the errors as those that estimates state"},
        points={"type": Path, "default": POINTS},
    )
    # Parts are made only to be named.
    warnings.simplefilter("ignore")
    if options.regenerate:
        synthesise_missing(held_out(), options.points)
    found = resource_errors(options.points)
    if options.store:
        with output_file(ERRORS) as file:
            file.write_text(json.dumps(found, indent=1) + "\n")
    show(found | cycle_errors(), as_json=options.json)


if __name__ == "__main__":
    main()
