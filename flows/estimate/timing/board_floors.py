"""Stored floors of the boards' default machines, for where nothing is to be synthesised.

They are of the hardware as it was when ``python -m benchmarks.timing --store`` was run last; the
date is stated with them, and whether the hardware has changed since.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["FLOORS", "board_floor", "store_floor"]

FLOORS = Path(__file__).parents[1] / "data" / "timing_floors.json"


def board_floor(board: str, file: Path = FLOORS) -> dict[str, Any] | None:
    """What is kept of a board's floor; None if it is unknown.

    ``floor_ns``, ``floor_mhz``, ``measured`` (date), ``hardware`` (mark), and ``stale``: the
    hardware is another one now.
    """
    from flows.estimate.stale import code_mark

    if not file.exists():
        return None
    found: dict[str, Any] | None = json.loads(file.read_text()).get(board)
    return found and {**found, "stale": found["hardware"] != code_mark("resources")}


def store_floor(board: str, report: dict[str, Any], file: Path = FLOORS) -> None:
    """Keep the floor of a board's default machine, with today's date."""
    from datetime import UTC, datetime

    from flows.estimate.stale import code_mark
    from flows.work.atomic import output_file

    floors = json.loads(file.read_text()) if file.exists() else {}
    floors[board] = {
        "floor_ns": report["floor_ns"],
        "floor_mhz": report["floor_mhz"],
        "measured": datetime.now(UTC).date().isoformat(),
        "hardware": code_mark("resources"),
    }
    with output_file(file) as scratch:
        scratch.write_text(json.dumps(floors, indent=1, sort_keys=True) + "\n")
