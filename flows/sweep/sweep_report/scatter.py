"""Pareto pictures: what counts, against one cost, as static SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from flows.boards.board import DEVICE
from flows.sweep.measure import SIMULATION, SYNTHESIS
from flows.sweep.sweep_report.measured import measured_fps, own_figure
from flows.sweep.sweep_report.scale import Scale, axis, short
from flows.sweep.sweep_report.sweep_content import KINDS, Group

__all__ = ["COST_NAMES", "letters", "scatter"]

COST_NAMES = {
    "lut": "LUTs",
    "ff": "flip-flops",
    "dsp": "DSP slices",
    "bram36": "block RAMs (36 Kb)",
}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 310, 52, 14, 26, 46
LETTER = 12
"""Distance from a published figure's mark to the middle of its letter."""
BEYOND = 1.3
"""Largest cost in a picture, as a multiple of the device."""
LOG_FROM = 8
"""Ratio of gains above which the axis is logarithmic: a linear one would hide small gains."""


def letters(count: int) -> list[str]:
    """A letter for each published figure."""
    return [chr(ord("A") + n) for n in range(count)]


def scatter(group: Group, cost: str) -> str:
    """One picture. Circles carry ``data-i``, the place of their point, for the page's script."""
    inside, beyond = _inside(group, cost)
    gains, costs = _extent(group, cost, inside)
    log = max(gains) > LOG_FROM * min(gains)
    y = axis(gains, HEIGHT - BOTTOM, TOP, log=log)
    x = axis(costs, LEFT, WIDTH - RIGHT)
    name = "images a second" if group.gain == "fps" else "MACs a cycle"
    label = f"{name} against {COST_NAMES[cost]}, {len(group.entries):,} points"
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">',
            *_axes(x, y, COST_NAMES[cost], f"{name}{' (log)' if log else ''}"),
            *_limit(group, cost, x),
            *_beyond(beyond),
            _cloud(group, cost, x, y, inside),
            *_front(group, cost, x, y),
            *_points(group, cost, x, y, inside),
            *_measured(group, cost, x, y, inside),
            *_anchors(group, cost, x, y),
            *_chosen(group, cost, x, y),
            "</svg>",
        ]
    )


def _inside(group: Group, cost: str) -> tuple[set[int], int]:
    """Places of the points in the picture, and how many there are beyond its right edge."""
    most = BEYOND * getattr(group.board.resources, DEVICE[cost])
    every = range(len(group.entries))
    inside = {n for n in every if group.estimate(n)[cost] <= most} or set(every)
    return inside, len(every) - len(inside)


def _extent(group: Group, cost: str, inside: set[int]) -> tuple[list[float], list[float]]:
    values = [group.estimate(n) for n in inside]
    drawn = [a for a in group.anchors if getattr(a, cost) is not None]
    gains = [float(v[group.gain]) for v in values] + [a.fps for a in drawn]
    costs = [float(v[cost]) for v in values] + [float(getattr(a, cost)) for a in drawn]
    for n in inside:
        fps, real = _found(group, n, cost)
        gains += [] if fps is None else [fps]
        costs += [] if real is None else [real]
    return [gain for gain in gains if gain > 0] or [1.0], costs


def _found(group: Group, n: int, cost: str) -> tuple[float | None, float | None]:
    """Simulated gain and synthesised cost of a point; None where it was not measured."""
    entry = group.entries[n]
    fps = measured_fps(entry) if group.gain == "fps" else None
    return fps, own_figure(entry, SYNTHESIS, cost)


def _beyond(count: int) -> Iterator[str]:
    if count:
        title = f"{count:,} cost more than {BEYOND:g} times what the device has"
        yield f'<text class="note" text-anchor="end" x="{WIDTH - RIGHT}" y="14">'
        yield f"{count:,} beyond, not drawn<title>{title}</title></text>"


def _axes(x: Scale, y: Scale, across: str, up: str) -> Iterator[str]:
    for tick in y.ticks():
        at = f"{y(tick):.1f}"
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'
        yield f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{y(tick) + 4:.1f}">'
        yield f"{short(tick)}</text>"
    for tick in x.ticks():
        at, low = f"{x(tick):.1f}", HEIGHT - BOTTOM
        yield f'<line class="axis" x1="{at}" x2="{at}" y1="{low}" y2="{low + 4}"/>'
        yield f'<text class="tick" text-anchor="middle" x="{at}" y="{low + 17}">'
        yield f"{short(tick)}</text>"
    low = HEIGHT - BOTTOM
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{low}" y2="{low}"/>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text text-anchor="middle" x="{middle}" y="{HEIGHT - 8}">{escape(across)}</text>'
    yield f'<text x="4" y="14">{escape(up)}</text>'


def _limit(group: Group, cost: str, x: Scale) -> Iterator[str]:
    has = getattr(group.board.resources, DEVICE[cost])
    if has > x.high:
        return
    at, low = f"{x(has):.1f}", HEIGHT - BOTTOM
    yield f'<line class="limit" x1="{at}" x2="{at}" y1="{TOP}" y2="{low}"/>'
    yield f'<text class="note" text-anchor="end" x="{x(has) - 4:.1f}" y="{low - 6}">device</text>'


def _cloud(group: Group, cost: str, x: Scale, y: Scale, inside: set[int]) -> str:
    """Points that the page has no more of than this picture: one path, a place once."""
    places = {
        (round(x(v[cost]) * 2) / 2, round(y(v[group.gain]) * 2) / 2)
        for v in (group.estimate(n) for n in inside.difference(group.shown))
    }
    dots = "".join(f"M{across:g} {up:g}h0" for across, up in sorted(places))
    return f'<path class="cloud" d="{dots}"/>' if dots else ""


def _front(group: Group, cost: str, x: Scale, y: Scale) -> Iterator[str]:
    """Steps: the most that is to be had for a cost."""
    some = [group.estimate(n) for n in group.fronts[cost]]
    if not some:
        return
    parts = [f"M{x(some[0][cost]):.1f} {y(some[0][group.gain]):.1f}"]
    parts += [f"H{x(one[cost]):.1f}V{y(one[group.gain]):.1f}" for one in some[1:]]
    yield f'<path class="front" d="{"".join(parts)}H{WIDTH - RIGHT}"/>'


def _points(group: Group, cost: str, x: Scale, y: Scale, inside: set[int]) -> Iterator[str]:
    drawn = [(group.kinds[n], n) for n in group.shown if n in inside]
    for kind, n in sorted(drawn, key=lambda one: KINDS.index(one[0])):
        value = group.estimate(n)
        at = f'cx="{x(value[cost]):.1f}" cy="{y(value[group.gain]):.1f}"'
        yield f'<circle class="{kind}" data-i="{n}" {at} r="{4 if kind == "best" else 3}"/>'


def _measured(group: Group, cost: str, x: Scale, y: Scale, inside: set[int]) -> Iterator[str]:
    """Squares at synthesised cost and simulated rate, tied to their estimate."""
    for n in sorted(inside):
        fps, real = _found(group, n, cost)
        if real is None and fps is None:
            continue
        value = group.estimate(n)
        across = x(value[cost] if real is None else real)
        up = y(value[group.gain] if fps is None else fps)
        found = [name for name, one in ((SYNTHESIS, real), (SIMULATION, fps)) if one is not None]
        yield (
            f'<g class="real"><title>{" and ".join(found)}</title>'
            f'<path d="M{x(value[cost]):.1f} {y(value[group.gain]):.1f}L{across:.1f} {up:.1f}"/>'
            f'<rect x="{across - 3:.1f}" y="{up - 3:.1f}" width="6" height="6"/></g>'
        )


def _anchors(group: Group, cost: str, x: Scale, y: Scale) -> Iterator[str]:
    drawn = [
        (letter, anchor, x(getattr(anchor, cost)), y(anchor.fps))
        for letter, anchor in zip(letters(len(group.anchors)), group.anchors, strict=True)
        if getattr(anchor, cost) is not None
    ]
    taken = [(across, up) for *_, across, up in drawn]
    for letter, anchor, across, up in drawn:
        side = _free_side(across, up, taken)
        taken.append((across + side * LETTER, up))
        title = f"{anchor.system}, {anchor.precision}: {anchor.fps:.4g} images a second, published"
        yield (
            f'<g class="anchor"><title>{escape(title)}</title>'
            f'<path d="M{across:.1f} {up - 5:.1f}l5 5l-5 5l-5 -5z"/>'
            f'<text text-anchor="middle" x="{across + side * LETTER:.1f}" '
            f'y="{up + 4:.1f}">{letter}</text></g>'
        )


def _free_side(across: float, up: float, taken: Sequence[tuple[float, float]]) -> int:
    """Right (1) or left (-1) of a mark, where less is in the way of its letter."""

    def clashes(side: int) -> tuple[bool, int]:
        at = across + side * LETTER
        near = (abs(at - a) < LETTER - 1 and abs(up - b) < LETTER - 1 for a, b in taken)
        return not LEFT < at < WIDTH - RIGHT, sum(near)

    return min((1, -1), key=clashes)


def _chosen(group: Group, cost: str, x: Scale, y: Scale) -> Iterator[str]:
    if group.chosen is None:
        return
    value = group.estimate(group.chosen)
    at = f'cx="{x(value[cost]):.1f}" cy="{y(value[group.gain]):.1f}"'
    yield f'<circle class="chosen" data-i="{group.chosen}" {at} r="7.5">'
    yield "<title>chosen</title></circle>"
