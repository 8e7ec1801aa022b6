"""Parallel coordinates: an axis for each parameter that varies and each figure, a line a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from flows.sweep.evaluate import ESTIMATE
from flows.sweep.parameters import PARAMETERS
from flows.sweep.stored_sweep import Entry
from flows.sweep.sweep_report.scale import Scale, axis, short
from flows.sweep.sweep_report.sweep_content import KINDS, Group

__all__ = ["parallel", "varying"]

LEFT, TOP, HEIGHT, BOTTOM = 52, 46, 366, 16
WIDTH, NARROWEST, WIDEST = 1200, 78, 120
"""Width of the picture, and smallest and largest distance of two axes."""
FIGURES = {
    "lut": "LUT", "dsp": "DSP", "bram36": "block RAM", "fps": "images/s",
    "macs_per_cycle": "MAC/cycle", "conversions": "conversions",
}  # fmt: skip
MOST_CHOICES = 24
"""Largest number of values of an axis of which each has its own place."""


def varying(entries: Sequence[Entry]) -> list[str]:
    """Parameters of which there is more than one value."""
    names = [n for n in PARAMETERS if n not in ("network", "board")]
    return [n for n in names if len({entry.point.get(n) for entry in entries}) > 1]


@dataclass(frozen=True)
class _Axis:
    """A column of places with its marks: (place, text)."""

    name: str
    places: Sequence[float]
    marks: Sequence[tuple[float, str]]


def parallel(group: Group) -> str:
    """The picture; empty if there is nothing to compare."""
    if len(group.shown) < 2:
        return ""
    some = [group.entries[n] for n in group.shown]
    axes = [_parameter(name, [e.point.get(name) for e in some]) for name in varying(some)]
    for name, title in FIGURES.items():
        if name in some[0].values[ESTIMATE]:
            axes.append(_figure(title, [e.values[ESTIMATE][name] for e in some]))
    step = min(WIDEST, max(NARROWEST, (WIDTH - 2 * LEFT) // (len(axes) - 1)))
    width = 2 * LEFT + step * (len(axes) - 1)
    order = (*KINDS, "chosen")
    kinds = ["chosen" if n == group.chosen else group.kinds[n] for n in group.shown]
    lines = []
    for index in sorted(range(len(some)), key=lambda i: order.index(kinds[i])):
        points = " ".join(
            f"{LEFT + step * k},{one.places[index]:.1f}" for k, one in enumerate(axes)
        )
        lines.append(
            f'<polyline class="{kinds[index]}" data-i="{group.shown[index]}" points="{points}"/>'
        )
    label = f"parameters and figures of {len(some):,} points, a line each"
    box = f'style="width:{width}px" viewBox="0 0 {width} {HEIGHT + BOTTOM}"'
    return "\n".join(
        [
            f'<svg class="parallel" {box} role="img" aria-label="{label}">',
            *lines,
            *(_drawn(one, LEFT + step * k, k) for k, one in enumerate(axes)),
            "</svg>",
        ]
    )


def _drawn(one: _Axis, x: float, index: int) -> str:
    parts = [
        f'<line class="axis" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT}"/>',
        *(
            f'<text class="name" text-anchor="middle" x="{x}" y="{12 + 13 * line}">'
            f"{escape(part)}</text>"
            for line, part in enumerate(one.name.split("_", 1))
        ),
    ]
    for place, text in one.marks:
        cut = text if len(text) <= 16 else f"{text[:15]}…"
        parts.append(
            f'<text class="tick halo" text-anchor="middle" x="{x}" y="{place + 4:.1f}">'
            f"{escape(cut)}<title>{escape(text)}</title></text>"
        )
    parts.append(
        f'<rect class="brush" data-axis="{index}" x="{x - 20}" y="{TOP - 14}" width="40" '
        f'height="{HEIGHT - TOP + 28}"/><rect class="range" x="{x - 8}" y="0" width="16" '
        'height="0"/>'
    )
    return f"<g>{''.join(parts)}</g>"


def _parameter(name: str, values: Sequence[Any]) -> _Axis:
    known = {value for value in values if value is not None}
    numbers = all(isinstance(value, int | float) for value in known)
    if numbers and len(known) > MOST_CHOICES and None not in values:
        return _figure(name, values)
    order = sorted(known, key=None if numbers else str)
    texts = {value: f"{value:,.10g}" if numbers else str(value) for value in order}
    if None in values:
        order.append(None)
        texts[None] = "none"
    scale = Scale(0, max(len(order) - 1, 1), HEIGHT - 8, TOP + 8)
    place = {value: scale(n) for n, value in enumerate(order)}
    every = -(-len(order) // MOST_CHOICES)
    marks = [(place[value], texts[value]) for value in order[::every]]
    return _Axis(name, [place[value] for value in values], marks)


def _figure(name: str, values: Sequence[float]) -> _Axis:
    scale = axis(values, HEIGHT - 8, TOP + 8)
    marks = [(scale(tick), short(tick)) for tick in scale.ticks()]
    return _Axis(name, [scale(value) for value in values], marks)
