"""The page: one HTML file with its pictures, style and script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from flows.sweep.evaluate import ESTIMATE
from flows.sweep.measure import SIMULATION, SYNTHESIS
from flows.sweep.parameters import PARAMETERS
from flows.sweep.policy_rows import ends_taken
from flows.sweep.stored_sweep import Stored
from flows.sweep.sweep_report.assets import SCRIPT, STYLE
from flows.sweep.sweep_report.chosen import chosen
from flows.sweep.sweep_report.error_section import found_errors, known_errors
from flows.sweep.sweep_report.parallel import parallel, varying
from flows.sweep.sweep_report.rows import number, plain, point_rows
from flows.sweep.sweep_report.scatter import letters, scatter
from flows.sweep.sweep_report.sweep_content import PICTURED, Group, refusals

__all__ = ["render"]

_KEY = (
    ("", '<circle class="best" cx="8" cy="6" r="4"/>', "Pareto front (images, LUT, FF, DSP, RAM)"),
    ("", '<circle class="fit" cx="8" cy="6" r="3"/>', "fits the device"),
    ("", '<circle class="off" cx="8" cy="6" r="3"/>', "does not fit"),
    ("", '<circle class="chosen" cx="8" cy="6" r="5"/>', "chosen"),
    ("", '<path class="front" d="M0 9H8V3H16"/>', "most to be had for this cost alone"),
    ("real", '<g class="real"><path d="M5 3h6v6h-6z"/></g>', "synthesised, simulated"),
    ("anchor", '<g class="anchor"><path d="M8 1l5 5l-5 5l-5 -5z"/></g>', "published by others"),
)  # fmt: skip
_MACRO = (
    "Cycles and rates are estimates of the emulation: a macro of silicon has a speed of its own. "
    "Cost is not modelled, so there is no front and no chosen point. Accuracy is not either: "
    "rowmac cim accuracy measures what ADC bits do to it."
)
MOST_REFUSALS = 50


def render(stored: Stored, groups: Sequence[Group]) -> str:
    """The page as text; the same for the same store."""
    title = f"Sweep {stored.path.name}"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            *_facts(stored, groups),
            *(line for index, group in enumerate(groups) for line in _section(group, index)),
            *_refused(stored),
            f"<script>{SCRIPT}</script></body></html>",
            "",
        ]
    )


def _facts(stored: Stored, groups: Sequence[Group]) -> Iterator[str]:
    def count(stage: str) -> int:
        return sum(stage in entry.values for entry in stored.entries)

    yield (
        f"<p>{len(stored.entries):,} points: {count(ESTIMATE):,} estimated, "
        f"{sum(len(g.fitting) for g in groups):,} of them fit their device{_macros(groups)}; "
        f"{count(SYNTHESIS):,} synthesised, {count(SIMULATION):,} simulated. "
        f"rowmac {escape(stored.model)}.</p>"
    )
    yield (
        "<p><strong>Figures are estimates</strong> of an analytic model unless they are marked as "
        "synthesised or simulated. Clocks are assumed: no place-and-route was run. "
        f"{escape(known_errors(stored.model))}</p>"
    )
    if len(groups) > 1:
        links = (f'<li><a href="#g{n}">{escape(_name(g))}</a></li>' for n, g in enumerate(groups))
        yield f"<ul>{''.join(links)}</ul>"


def _macros(groups: Sequence[Group]) -> str:
    count = sum(len(group.entries) for group in groups if group.macro)
    return f", {count:,} are around a macro" if count else ""


def _name(group: Group) -> str:
    around = ", around macros" if group.macro else ""
    return f"{group.network or 'Machines without a network'} on {group.board.name}{around}"


def _section(group: Group, index: int) -> Iterator[str]:
    yield f'<section class="group" id="g{index}"><h2>{escape(_name(group))}</h2>'
    if group.macro:
        yield f"<p>{len(group.entries):,} points. {_MACRO} {escape(_constants(group))}</p>"
    else:
        yield from _digital(group)
    lines = parallel(group)
    if lines:
        dark = "" if group.macro else "; dark lines are the front"
        yield "<h3>Parameters and figures</h3>"
        yield (
            f'<p class="soft">A line is a point{dark}. '
            "Drag along an axis to keep a range, tap the axis to let go; point at a line or a row "
            "to read it, click to hold it.</p>"
        )
        yield f'<div class="scroll">{lines}</div>'
    yield "<h3>Points</h3>"
    yield f'<p class="left soft">{escape(_extent(group))}</p>'
    yield f'{point_rows(group)}<div class="said" aria-live="polite"></div></section>'


def _digital(group: Group) -> Iterator[str]:
    """Parts of the page for machines with a cost: fronts, chosen point, pictures."""
    yield (
        f"<p>{len(group.entries):,} points, {len(group.fitting):,} fit the "
        f"{escape(group.board.part)}, {len(group.best):,} are on the Pareto front. "
        f"{escape(_constants(group))}</p>"
    )
    ends = ends_taken(entry.point for entry in group.entries)
    if ends is not None:
        yield f'<p class="soft">Assumed: {escape(ends)}.</p>'
    errors = "; ".join(found_errors(group))
    if errors:
        yield f'<p class="soft">Errors of the estimates here: {escape(errors)}.</p>'
    yield from chosen(group)
    yield "<h3>What a resource buys</h3>"
    yield _key(group)
    yield '<div class="pictures">'
    yield from (scatter(group, cost) for cost in PICTURED)
    yield "</div>"
    yield from _published(group)


def _constants(group: Group) -> str:
    moving = {*varying(group.entries), "network", "board"}
    point = group.entries[0].point
    same = [
        f"{n} {plain(point[n])}" for n in PARAMETERS if n not in moving and point.get(n) is not None
    ]
    return f"The same in all: {', '.join(same)}." if same else ""


def _extent(group: Group) -> str:
    if len(group.shown) == len(group.entries):
        return f"All {len(group.entries):,} points."
    return (
        f"{len(group.shown):,} of {len(group.entries):,} points: the front, those synthesised or "
        "simulated, and the best of the others; grey dots in the pictures stand for the rest. "
        "The CSV (--csv) has all."
    )


def _key(group: Group) -> str:
    real = any(len(entry.values) > 1 for entry in group.entries)
    there = {"": True, "real": real, "anchor": bool(group.anchors)}
    items = (
        f'<span><svg viewBox="0 0 16 12" aria-hidden="true">{drawn}</svg> {escape(text)}</span>'
        for kind, drawn, text in _KEY
        if there[kind]
    )
    return f'<div class="key">{"".join(items)}</div>'


def _published(group: Group) -> Iterator[str]:
    if not group.anchors:
        return
    yield "<h3>Published by others for this network and device</h3>"
    yield (
        '<p class="soft">As their authors state them, at their clocks; <strong>not measured by us'
        "</strong>. Cycles an image are clock by images a second: what a clock does not change.</p>"
    )
    yield (
        '<div class="scroll"><table><thead><tr><th></th><th>system</th><th>precision</th>'
        "<th>MHz</th><th>images/s</th><th>Mcycles an image</th><th>LUT</th><th>DSP</th>"
        "<th>BRAM36</th><th>source</th></tr></thead><tbody>"
    )
    for letter, anchor in zip(letters(len(group.anchors)), group.anchors, strict=True):
        source = [anchor.source]
        if anchor.derived:
            source.append(f"derived: {anchor.derived}")
        if not anchor.verified:
            source.append("not checked again in its source")
        costs = (number(getattr(anchor, cost)) for cost in PICTURED)
        cells = (
            letter, anchor.system, anchor.precision, f"{anchor.clock_mhz:g}", number(anchor.fps),
            f"{anchor.cycles / 1e6:.3g}", *costs,
        )  # fmt: skip
        plain = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        yield f'<tr>{plain}<td class="wide">{escape("; ".join(source))}</td></tr>'
    yield "</tbody></table></div>"


def _refused(stored: Stored) -> Iterator[str]:
    found = refusals(stored.entries)
    if not found:
        return
    yield f"<h2>Refused</h2><p>{sum(count for *_, count in found):,} outcomes are errors.</p>"
    yield (
        '<div class="scroll"><table><thead><tr><th>times</th><th>stage</th><th>reason</th></tr>'
        "</thead><tbody>"
    )
    for stage, text, count in found[:MOST_REFUSALS]:
        yield (
            f"<tr><td>{count:,}</td><td>{escape(stage)}</td>"
            f'<td class="wide">{escape(text)}</td></tr>'
        )
    yield "</tbody></table></div>"
    if len(found) > MOST_REFUSALS:
        yield f"<p>And {len(found) - MOST_REFUSALS:,} more reasons.</p>"
