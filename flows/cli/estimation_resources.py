"""Resources of a machine for ``rowmac estimate``: estimated, beside the device, and synthesised."""

import json
import time
from pathlib import Path
from typing import Any

from models.machine_spec import MachineSpec

from ..boards import Board
from .progress import StageProgress

__all__ = ["resources"]

ERRORS = Path(__file__).parents[1] / "estimate" / "data" / "resource_error.json"
"""What ``python -m benchmarks.estimate_error --held-out --json`` has printed."""
DEVICE = {"lut": "luts", "ff": "flip_flops", "dsp": "dsps", "bram36": "block_rams"}


def resources(spec: MachineSpec, board: Board, *, synthesise: bool) -> dict[str, Any]:
    """Each figure with its share of the device and the error on machines held out."""
    from ..estimate.resources import estimate_resources

    found = estimate_resources(spec, board.family)
    errors = json.loads(ERRORS.read_text()) if ERRORS.exists() else None
    result: dict[str, Any] = {"notes": list(found.notes), "error": errors}
    for name, field in DEVICE.items():
        device = getattr(board.resources, field)
        value = getattr(found, name)
        result[name] = {"estimate": value, "device": device, "share": value / device}
    if synthesise:
        start = time.monotonic()
        for name, value in _synthesised(spec, board.family).items():
            result[name] |= {
                "synthesised": value, "error": result[name]["estimate"] / max(value, 1) - 1,
            }  # fmt: skip
        result["synthesis_seconds"] = time.monotonic() - start
    return result


def _synthesised(spec: MachineSpec, family: str) -> dict[str, int]:
    """Sums over the machine's parts, as the estimate is fitted to."""
    from ..estimate.parts import machine_parts
    from ..estimate.synthesis import synthesise_part, yosys_version

    yosys_version()
    total = {"lut": 0, "ff": 0, "dsp": 0}
    parts = machine_parts(spec, family)
    with StageProgress() as progress:
        for index, part in enumerate(parts):
            progress.stage(f"Yosys: {part.name}", index, len(parts))
            netlist = synthesise_part(part, family)
            for name in total:
                total[name] += part.count * getattr(netlist, name)
    return total
