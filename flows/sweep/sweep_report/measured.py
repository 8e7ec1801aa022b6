"""Synthesised and simulated figures of a point, and the errors of its estimates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flows.sweep.evaluate import ESTIMATE
from flows.sweep.measure import SIMULATION, SYNTHESIS
from flows.sweep.stored_sweep import Entry

__all__ = ["difference", "differences", "measured_fps", "own_figure", "percent"]

_OWN = {SYNTHESIS: ("lut", "ff", "dsp"), SIMULATION: ("cycles",)}
"""Figures that a stage measures; block RAM always follows from the memories' shapes."""


def own_figure(entry: Entry, stage: str, name: str) -> Any:
    """A figure as a stage found it; None if it did not."""
    return entry.values.get(stage, {}).get(name) if name in _OWN[stage] else None


def difference(entry: Entry, stage: str, name: str) -> float | None:
    """Estimate over what a stage found, less one; None where there is no such pair."""
    known, real = entry.values.get(ESTIMATE, {}).get(name), own_figure(entry, stage, name)
    if known is None or real is None:
        return None
    if not real:
        return 0.0 if not known else None
    return float(known) / float(real) - 1


def differences(entries: Iterable[Entry]) -> dict[str, list[float]]:
    """Relative errors of estimates against what was synthesised or simulated, by figure."""
    found: dict[str, list[float]] = {}
    for entry in entries:
        for stage, names in _OWN.items():
            for name in names:
                error = difference(entry, stage, name)
                if error is not None:
                    found.setdefault(name, []).append(error)
    return found


def measured_fps(entry: Entry) -> float | None:
    """Images a second by simulated cycles at the assumed clock; None if it was not simulated."""
    if SIMULATION not in entry.values:
        return None
    return float(entry.point["clock_mhz"]) * 1e6 / float(entry.values[SIMULATION]["cycles"])


def percent(error: float | None) -> str:
    """A relative error with its sign; empty for None."""
    if not error:
        return "" if error is None else "0 %"
    return f"{100 * error:+.{1 if abs(error) >= 0.01 else 2}f} %"
