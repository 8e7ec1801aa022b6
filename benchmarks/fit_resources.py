"""Fits the coefficients of resource estimates to the synthesised parts of the calibration machines.

``python -m benchmarks.fit_resources [--json]`` reads the file of points (``resource_points`` makes
it) and writes ``flows/estimate/data/resource_coefficients.json``.
"""

from __future__ import annotations

import datetime
import json
import warnings
from pathlib import Path
from typing import Any

from benchmarks.report import arguments, show
from benchmarks.resource_points import POINTS, calibration, held_out, part_id, read_points
from flows.estimate.machine_points import COMBINED, SCALARS
from flows.estimate.resources.fit import fit_parts
from flows.estimate.resources.parts import machine_parts
from flows.estimate.resources.synthesis import yosys_version
from flows.work.atomic import output_file

COEFFICIENTS = POINTS.with_name("resource_coefficients.json")


def fitted(points: Path = POINTS) -> dict[str, Any]:
    """Coefficients, and the range of every parameter.

    Coefficients come from the calibration machines alone; ranges are those of all machines whose
    every part was synthesised, held out or not.
    """
    known = read_points(points)
    figures: dict[Any, Any] = {}
    complete = []
    machines = calibration()
    for index, (spec, family) in enumerate((*machines, *held_out())):
        parts = [(part, family) for part in machine_parts(spec, family)]
        some = {part: known[part_id(*part)] for part in parts if part_id(*part) in known}
        if index < len(machines):
            figures |= some
        if len(some) == len(parts):
            complete.append(spec)
    # The memory of sums is block RAM with a selection of biases: no term has it.
    names = [name for name in (*SCALARS, *COMBINED) if name != "part_sums"]
    columns = {name: [getattr(spec, name) for spec in complete] for name in names}
    return {
        "yosys": yosys_version(),
        "date": datetime.date.today().isoformat(),
        "parts_synthesised": len(figures),
        "ranges": {name: [min(values), max(values)] for name, values in columns.items()},
        "parts": fit_parts(machines, figures),
    }


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "",
        points={"type": Path, "default": POINTS},
        out={"type": Path, "default": COEFFICIENTS},
    )
    # Parts are made only to be named.
    warnings.simplefilter("ignore")
    found = fitted(options.points)
    with output_file(options.out) as file:
        file.write_text(json.dumps(found, indent=1) + "\n")
    show(
        {name: found[name] for name in ("yosys", "date", "parts_synthesised")}, as_json=options.json
    )


if __name__ == "__main__":
    main()
