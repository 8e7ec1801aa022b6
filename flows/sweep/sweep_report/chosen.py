"""The chosen point of a group: all its figures, and the command that shows more of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from html import escape

from flows.boards.board import DEVICE
from flows.sweep.evaluate import ESTIMATE
from flows.sweep.measure import SIMULATION, SYNTHESIS
from flows.sweep.parameters import NUMBERS, PARAMETERS
from flows.sweep.stored_sweep import Entry
from flows.sweep.sweep_report.measured import difference, measured_fps, own_figure, percent
from flows.sweep.sweep_report.rows import number, plain
from flows.sweep.sweep_report.scatter import COST_NAMES
from flows.sweep.sweep_report.sweep_content import Group

__all__ = ["chosen", "command"]

_OPTIONS = {"clock_mhz": "--clock", "bandwidth_mb_s": "--bandwidth"}


def command(entry: Entry) -> str:
    """``rowmac estimate`` of a point; without a file that must be quantised for it first."""
    words = ["rowmac", "estimate"]
    said = {name: entry.point[name] for name in entry.given} | {"board": entry.point["board"]}
    if said.pop("policy", None):
        said.pop("ratio", None)
        said["rows"] = entry.values[ESTIMATE]["classes"]
    if entry.values[ESTIMATE].get("maps") == "by its shapes":
        said.pop("network", None)
    for name in PARAMETERS:
        if said.get(name):
            option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
            words += [option, plain(said[name])]
    return shlex.join(words)


def chosen(group: Group) -> Iterator[str]:
    """The block of the page."""
    yield "<h3>Chosen point</h3>"
    if group.chosen is None:
        yield f"<p>No point meets the rule: {escape(group.rule)}.</p>"
        return
    entry = group.entries[group.chosen]
    names = ("policy", "ratio", "rows", "clock_mhz", "bandwidth_mb_s", *NUMBERS)
    said = ", ".join(
        f"{n} {plain(entry.point[n])}" for n in names if entry.point.get(n) is not None
    )
    yield f"<p>Rule: {escape(group.rule)}.</p>"
    yield f"<p>{escape(said)}</p><p><code>{_unbroken(command(entry))}</code></p>"
    real = len(entry.values) > 1
    head = ["", "estimate", "% of device"]
    head += ["synthesised or simulated", "error of the estimate"] if real else []
    yield '<div class="scroll"><table class="facts"><thead><tr>'
    yield f"{''.join(f'<th>{escape(one)}</th>' for one in head)}</tr></thead><tbody>"
    for cells in _rows(group, entry):
        some = cells if real else cells[:3]
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in some)}</tr>"
    yield "</tbody></table></div>"


def _unbroken(text: str) -> str:
    """Lines break between words only, not at the hyphens of options."""
    return " ".join(f"<span>{escape(word)}</span>" for word in text.split(" "))


def _rows(group: Group, entry: Entry) -> Iterator[tuple[str, str, str, str, str]]:
    value = entry.values[ESTIMATE]
    if "fps" in value:
        clock = f"at {entry.point['clock_mhz']:g} MHz (assumed)"
        rate = measured_fps(entry)
        yield f"images a second {clock}", number(value["fps"]), "", number(rate), ""
        yield "cycles an image", number(value["cycles"]), "", *_real(entry, SIMULATION, "cycles")
        yield "GOPS", number(value["gops"]), "", "", ""
    yield "MACs a cycle", number(value["macs_per_cycle"]), "", "", ""
    for name, title in COST_NAMES.items():
        share = 100 * value[name] / getattr(group.board.resources, DEVICE[name])
        yield title, number(value[name]), f"{share:.1f}", *_real(entry, SYNTHESIS, name)


def _real(entry: Entry, stage: str, name: str) -> tuple[str, str]:
    return number(own_figure(entry, stage, name)), percent(difference(entry, stage, name))
