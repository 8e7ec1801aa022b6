"""The table of a group's points, as HTML that the page's script can sort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from flows.sweep.evaluate import ESTIMATE
from flows.sweep.measure import SIMULATION, SYNTHESIS
from flows.sweep.stored_sweep import Entry
from flows.sweep.sweep_report.measured import difference, measured_fps, percent
from flows.sweep.sweep_report.parallel import varying
from flows.sweep.sweep_report.sweep_content import Group

__all__ = ["number", "plain", "point_rows"]


ESTIMATED = {
    "classes": "rows by policy", "fps": "images/s", "cycles": "cycles", "gops": "GOPS",
    "gops_per_klut": "GOPS/kLUT", "macs_per_cycle": "MAC/cycle", "lut": "LUT", "ff": "FF",
    "dsp": "DSP", "bram36": "BRAM36", "conversions": "conversions", "columns": "columns",
}  # fmt: skip
"""Figures of the estimates that have a column where a point has them."""


@dataclass(frozen=True)
class _Column:
    """A heading under one of the table's parts, and what it shows of a point."""

    part: str
    name: str
    of: Callable[[Entry], str]


def number(value: Any) -> str:
    """A figure as text; empty where there is none."""
    if value is None:
        return ""
    if isinstance(value, float):
        size = abs(value)
        return f"{value:,.3f}" if size < 10 else f"{value:,.1f}" if size < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _parameter(name: str) -> _Column:
    return _Column("parameters", name, lambda entry: plain(entry.point.get(name)))


def _figure(part: str, stage: str, key: str, name: str) -> _Column:
    return _Column(part, name, lambda entry: number(entry.values.get(stage, {}).get(key)))


def _error(part: str, stage: str, key: str, name: str) -> _Column:
    return _Column(part, name, lambda entry: percent(difference(entry, stage, key)))


def _share(entry: Entry) -> str:
    value = entry.values[ESTIMATE]
    return f"{100 * value['share']:.1f} % {value['fullest']}"


def _fps(entry: Entry) -> str:
    return number(measured_fps(entry))


def _columns(entries: Sequence[Entry], names: Sequence[str]) -> list[_Column]:
    found = [_parameter(name) for name in names]
    part, values = "estimated", [entry.values[ESTIMATE] for entry in entries]
    found += [
        _figure(part, ESTIMATE, key, name)
        for key, name in ESTIMATED.items()
        if any(key in value for value in values)
    ]
    if any("share" in value for value in values):
        found.append(_Column(part, "fullest", _share))
        found.append(_Column(part, "outside calibration", _outside))
    if any(SYNTHESIS in entry.values for entry in entries):
        part = "synthesised (Yosys), estimate's error"
        for key, name in (("lut", "LUT"), ("ff", "FF"), ("dsp", "DSP")):
            found += [_figure(part, SYNTHESIS, key, name), _error(part, SYNTHESIS, key, "error")]
    if any(SIMULATION in entry.values for entry in entries):
        part = "simulated, estimate's error"
        found += [
            _figure(part, SIMULATION, "cycles", "cycles"),
            _error(part, SIMULATION, "cycles", "error"),
            _Column(part, "images/s", _fps),
        ]
    return found


def plain(value: Any) -> str:
    """A parameter's value as one writes it."""
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _outside(entry: Entry) -> str:
    return " ".join(entry.values[ESTIMATE].get("extrapolated", ()))


def point_rows(group: Group) -> str:
    """All shown points, those that fit first, most gain first."""
    entries = [group.entries[n] for n in group.shown]
    columns = _columns(entries, varying(entries))

    def rank(n: int) -> tuple[bool, float, bool]:
        return group.kinds[n] == "off", -group.estimate(n)[group.gain], n != group.chosen

    order = sorted(group.shown, key=rank)
    rows = []
    for n in order:
        kind = group.kinds[n]
        said = {"best": "front", "fit": "", "off": "does not fit"}[kind]
        if n == group.chosen:
            kind, said = "chosen", f"chosen {said}".strip()
        cells = "".join(f"<td>{escape(c.of(group.entries[n]))}</td>" for c in columns)
        rows.append(f'<tr class="{kind}" data-i="{n}"><td>{said}</td>{cells}</tr>')
    return (
        f'<div class="scroll tall"><table class="points">{_head(columns)}'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _head(columns: Sequence[_Column]) -> str:
    parts: dict[str, int] = {}
    for column in columns:
        parts[column.part] = parts.get(column.part, 0) + 1
    over = "".join(
        f'<th scope="colgroup" colspan="{count}">{escape(part)}</th>'
        for part, count in parts.items()
    )
    names = "".join(
        f'<th scope="col"><button type="button">{escape(name)}</button></th>'
        for name in ("mark", *(column.name for column in columns))
    )
    return f"<thead><tr><td></td>{over}</tr><tr>{names}</tr></thead>"
