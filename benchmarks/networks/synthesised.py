"""Yosys' figures of a machine, part by part."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.boards import Board
from flows.estimate.resources.machine_synthesis import synthesise_machine
from models.machine.spec import MachineSpec

__all__ = ["synthesised"]

PARTS = Path(__file__).resolve().parents[2] / "build" / "parts"


def synthesised(spec: MachineSpec, board: Board) -> dict[str, Any]:
    """LUT, FF and DSP as Yosys counts them, block RAM by the memories' shapes.

    Parts are kept: machines share them, and an interruption loses only the part at work.
    """
    PARTS.mkdir(parents=True, exist_ok=True)
    found = synthesise_machine(
        spec, board.family, cache=PARTS,
        progress=lambda part, done, of: print(f"{done} of {of}: {part}", file=sys.stderr),
    )  # fmt: skip
    return {"resources_yosys": asdict(found)}
