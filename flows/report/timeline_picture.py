"""The units' activity over time, as SVG."""

import colorsys
from collections.abc import Sequence
from html import escape

from flows.report.content import LayerEntry, Span

__all__ = ["colour", "timeline"]

WIDTH, LEFT, ROW, GAP, TOP = 1120, 64, 26, 8, 8
HUE_STEP = 47
MERGE = 0.5
"""Bars of one layer that are less than this many pixels apart are drawn as one."""


def colour(layer: int) -> str:
    """Colour of a layer; neighbours differ."""
    if layer < 0:
        return "#999999"
    hue, lightness = layer * HUE_STEP % 360 / 360, (48 + layer % 3 * 7) / 100
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, 0.62))
    return f"#{red:02x}{green:02x}{blue:02x}"


def timeline(
    rows: Sequence[str], spans: Sequence[Span], layers: Sequence[LayerEntry], cycles: int
) -> str:
    """A row a unit, a bar a piece of work; a bar's name appears under the pointer."""
    scale = (WIDTH - LEFT) / max(cycles, 1)
    bottom = TOP + len(rows) * (ROW + GAP)
    label = "activity of the units over time"
    parts = [f'<svg viewBox="0 0 {WIDTH} {bottom + 28}" role="img" aria-label="{label}">']
    for row, name in enumerate(rows):
        y = TOP + row * (ROW + GAP)
        parts.append(f'<text x="0" y="{y + 17}">{escape(name)}</text>')
        parts.append(
            f'<rect class="lane" x="{LEFT}" y="{y}" width="{WIDTH - LEFT}" height="{ROW}"/>'
        )
    for span in _merged(spans, MERGE / scale):
        x, y = LEFT + span.start * scale, TOP + span.row * (ROW + GAP)
        width = max((span.stop - span.start) * scale, 0.3)
        name = layers[span.layer].name if span.layer >= 0 else "input and output"
        title = f"{rows[span.row]}: {name}, cycles {span.start:,} to {span.stop:,}"
        parts.append(
            f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{ROW}" '
            f'fill="{colour(span.layer)}"><title>{escape(title)}</title></rect>'
        )
    for cycle in _ticks(cycles):
        x = LEFT + cycle * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 16}">{cycle:,}</text>')
    return "\n".join([*parts, "</svg>"])


def _merged(spans: Sequence[Span], distance: float) -> list[Span]:
    last: dict[int, Span] = {}
    merged: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.row, one.start)):
        before = last.get(span.row)
        if before and before.layer == span.layer and span.start - before.stop < distance:
            span = Span(span.row, span.layer, before.start, max(before.stop, span.stop))
            merged.pop()
        last[span.row] = span
        merged.append(span)
    return merged


def _ticks(cycles: int) -> range:
    step = 1
    while cycles / step > 10:
        for factor in (2, 5, 10):
            if cycles / (step * factor) <= 10:
                return range(0, cycles + 1, step * factor)
        step *= 10
    return range(0, cycles + 1, step)
