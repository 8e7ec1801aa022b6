"""The static timing floor of a whole machine: Verilog, Yosys, paths, report."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from flows.estimate.resources.synthesis import synthesised, yosys_version
from flows.estimate.timing.netlist import to_design
from flows.estimate.timing.nets import MODELS
from flows.estimate.timing.paths import longest_paths
from flows.estimate.timing.report import report
from flows.work.atomic import output_file
from models.machine.spec import MachineSpec

__all__ = ["FAMILY", "machine_timing", "netlist_timing"]

FAMILY = "xc7"
"""Cells that have delays here; a machine for another family is timed as one for this."""


def machine_timing(
    spec: MachineSpec, *, nets: str = "spread", kept: Path | None = None
) -> dict[str, Any]:
    """Report of a machine flattened as a whole; minutes to an hour, for Yosys.

    Parameters
    ----------
    nets : name of one of :data:`flows.estimate.timing.nets.MODELS`
    kept : folder of reports by the machine's Verilog and this code, so that none is made twice

    Raises
    ------
    UserError
        If Yosys is not installed.
    RunError
        If it fails.
    """
    from hdl.emit import emit
    from hdl.machine import Machine

    version = yosys_version()
    text = emit(Machine(spec, FAMILY), "rowmac")
    mark = hashlib.sha256(f"{version} {nets} {_code()}\n{text}".encode()).hexdigest()
    file = kept / f"timing-{mark}.json" if kept else None
    if file and file.exists():
        known: dict[str, Any] = json.loads(file.read_text())
        return known
    found = netlist_timing(synthesised(text, FAMILY)["rowmac"], nets)
    if file:
        with output_file(file) as scratch:
            scratch.write_text(json.dumps(found))
    return found


def netlist_timing(module: dict[str, Any], nets: str = "spread") -> dict[str, Any]:
    """Report of a module of Yosys's JSON."""
    if nets not in MODELS:
        raise ValueError(f"nets must be one of {', '.join(MODELS)}, not {nets!r}")
    return report(longest_paths(to_design(module), MODELS[nets]))


@cache
def _code() -> str:
    """Digest of this folder: other delays make other reports."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
