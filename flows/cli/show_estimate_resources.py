"""Resources of a machine: estimated, as shares of the device, and synthesised."""

import json
from pathlib import Path
from typing import Any

from flows.boards import Board
from flows.boards.board import DEVICE, RESOURCES
from flows.cli.progress import StageProgress
from flows.work.cache import made_folder
from models.machine.spec import MachineSpec

__all__ = ["resources"]

ERRORS = Path(__file__).parents[1] / "estimate" / "data" / "resource_error.json"
"""Stated errors, written by ``python -m benchmarks.estimate_error --held-out --store``."""


def resources(
    spec: MachineSpec, board: Board, *, synthesise: bool, vivado: bool = False
) -> dict[str, Any]:
    """Each figure with its share of the device and the stated error.

    ``fits`` says whether the machine fits the device; if not, the first note says what it lacks.
    """
    from flows.estimate.resources.resources import estimate_resources
    from flows.estimate.stale import stale_notes

    if vivado:
        # A missing Vivado is reported before Yosys runs for minutes.
        from flows.estimate.resources.vivado import find_vivado

        find_vivado()
    found = estimate_resources(spec, board.family)
    errors = json.loads(ERRORS.read_text())
    notes = [*found.notes, *stale_notes("resources")]
    result: dict[str, Any] = {"notes": notes, "error": errors}
    for name, field in DEVICE.items():
        device = getattr(board.resources, field)
        value = getattr(found, name)
        result[name] = {"estimate": value, "device": device, "share": value / device}
    short = [name for name in DEVICE if result[name]["share"] > 1]
    result["fits"] = not short
    if short:
        lacks = " and ".join(
            f"{result[name]['estimate']:,} of {result[name]['device']:,} {RESOURCES[name]}"
            for name in short
        )
        result["notes"].insert(0, f"this machine does not fit {board.part}: it takes {lacks}")
    if synthesise:
        _synthesise(spec, board.family, result)
    if vivado:
        _vivado(spec, board, result)
    return result


def _synthesise(spec: MachineSpec, family: str, result: dict[str, Any]) -> None:
    """Add the figures of Yosys, part by part; parts that were synthesised before are kept."""
    from flows.estimate.resources.machine_synthesis import synthesise_machine

    cache = made_folder("synthesis", "synthesised parts")
    with StageProgress() as progress:

        def tell(part: str, done: int, total: int) -> None:
            progress.stage(f"Yosys: {part}", done, total)

        found = synthesise_machine(spec, family, cache=cache, progress=tell)
    result["yosys"] = {"version": found.yosys, "parts": found.parts}
    for name in ("lut", "ff", "dsp"):
        value = getattr(found, name)
        result[name] |= {
            "synthesised": value,
            "error": result[name]["estimate"] / max(value, 1) - 1,
        }


def _vivado(spec: MachineSpec, board: Board, result: dict[str, Any]) -> None:
    """Add the figures of Vivado's synthesis of the whole machine."""
    from flows.estimate.resources.vivado import vivado_utilisation

    with StageProgress() as progress:
        progress.stage("Vivado: synthesis out of context", 0, 1)
        found = vivado_utilisation(spec, board.family, board.part)
    result["vivado"] = {"version": found.version, "part": board.part}
    for name in DEVICE:
        value = getattr(found, name)
        result[name] |= {
            "vivado": value,
            "error_to_vivado": result[name]["estimate"] / max(value, 1) - 1,
        }
