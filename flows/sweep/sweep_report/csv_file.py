"""Every point of a sweep as one CSV table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from flows.sweep.evaluate import ESTIMATE
from flows.sweep.measure import STAGES
from flows.sweep.parameters import PARAMETERS
from flows.sweep.stored_sweep import Entry
from flows.sweep.sweep_report.sweep_content import Group

__all__ = ["write_csv"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_FIGURES = {
    ESTIMATE: (
        "fps", "cycles", "gops", "utilisation", "gops_per_klut", "gops_per_dsp", "read_bytes",
        "written_bytes", "macs_per_cycle", "lut", "ff", "dsp", "bram36", "fullest", "share", "fits",
        "extrapolated", "classes", "conversions", "columns",
    ),
}  # fmt: skip
"""Figures in the order of their columns; others follow in order of their names."""


def write_csv(path: Path, entries: Sequence[Entry], groups: Sequence[Group]) -> None:
    """One row a point, refused ones included.

    Columns are the parameters, then each stage's figures as ``STAGE_FIGURE`` and ``STAGE_error``,
    then ``front`` and ``chosen`` (1 or 0). Numbers are as the store has them, to the last digit;
    what is not there is empty. A text that a spreadsheet would take for a formula begins with an
    apostrophe, which it shows as text: names of files and networks are somebody else's.
    """
    front = {id(group.entries[n]) for group in groups for n in group.best}
    chosen = {id(g.entries[g.chosen]) for g in groups if g.chosen is not None}
    figures = {stage: list(_figures(stage, entries)) for stage in STAGES}
    head = [*PARAMETERS, *(f"{s}_{name}" for s in STAGES for name in (*figures[s], "error"))]
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow([*head, "front", "chosen"])
        for entry in entries:
            row = [_text(entry.point.get(name)) for name in PARAMETERS]
            for stage in STAGES:
                value = entry.values.get(stage, {})
                row += [_text(value.get(name)) for name in figures[stage]]
                row.append(_text(entry.errors.get(stage, "")))
            writer.writerow([*row, int(id(entry) in front), int(id(entry) in chosen)])


def _figures(stage: str, entries: Iterable[Entry]) -> Iterator[str]:
    known = {name for entry in entries for name in entry.values.get(stage, ())}
    ordered = [name for name in _FIGURES.get(stage, ()) if name in known]
    yield from ordered
    yield from sorted(known.difference(ordered))


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    found = " ".join(map(str, value)) if isinstance(value, list) else value
    if isinstance(found, str) and found.startswith(_FORMULA):
        return f"'{found}"
    return found
