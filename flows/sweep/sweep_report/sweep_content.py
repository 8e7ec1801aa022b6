"""Content of a sweep's report: points by network and board, their front, the chosen point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flows.boards import UnknownBoard, find
from flows.boards.board import Board
from flows.errors import UserError
from flows.sweep.anchors import Anchor, anchors_of
from flows.sweep.evaluate import ESTIMATE
from flows.sweep.front import COSTS, front, pareto
from flows.sweep.macro_point import around_macro
from flows.sweep.stored_sweep import Entry

__all__ = ["KINDS", "PICTURED", "SHOWN", "Group", "groups", "refusals", "select"]

SHOWN = 2000
"""Points of a group that the page has; the others are in the CSV."""
KINDS = ("off", "fit", "best")
"""Classes of points in the order of drawing; the last is on top."""
PICTURED = ("lut", "dsp", "bram36")
"""Costs that have a picture each."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Points of one network on one board, either of digital machines or around a macro.

    Attributes
    ----------
    network : empty for machines by themselves
    macro : whether machines are around a macro: they have no cost, so no front, and none is chosen
    gain : figure that counts: images a second, or MACs a cycle where there is no network
    entries : those with an estimate
    fitting : places of those that fit the device
    best : places of the Pareto front over gain, LUT, FF, DSP and block RAM, most gain first
    fronts : places of the front against each pictured cost alone, cheapest first
    chosen : place of the chosen one, None if none qualifies
    rule : how it was chosen
    shown : places of those in the page's table and pictures
    """

    network: str
    board: Board
    macro: bool
    gain: str
    entries: Sequence[Entry]
    fitting: Sequence[int]
    best: Sequence[int]
    fronts: Mapping[str, Sequence[int]]
    chosen: int | None
    rule: str
    shown: Sequence[int]
    anchors: Sequence[Anchor]

    def estimate(self, place: int) -> dict[str, Any]:
        """Estimated figures of a point."""
        return self.entries[place].values[ESTIMATE]

    @cached_property
    def kinds(self) -> Sequence[str]:
        """Class of every point: ``best`` on the front, ``off`` if it does not fit, else ``fit``."""
        if self.macro:
            return ["fit"] * len(self.entries)
        best, fitting = set(self.best), set(self.fitting)
        places = range(len(self.entries))
        return ["best" if n in best else "fit" if n in fitting else "off" for n in places]


def select(entries: Sequence[Entry], network: str | None) -> list[Entry]:
    """Points of a network, or all.

    Raises
    ------
    UserError
        If the network has no point.
    """
    if network is None:
        return list(entries)
    mine = [entry for entry in entries if entry.point["network"] == network]
    if not mine:
        known = sorted({str(e.point["network"]) for e in entries} - {""})
        raise UserError(
            f"network must be one of the store's ({', '.join(known) or 'it has none'}), "
            f"not {network!r}"
        )
    return mine


def groups(entries: Iterable[Entry], target: float | None = None) -> list[Group]:
    """Groups in order of their names; ``target``, images a second, is what a chosen point reaches.

    Raises
    ------
    UserError
        If this version does not know a board.
    """
    found: dict[tuple[str, str, bool], list[Entry]] = {}
    for entry in entries:
        if ESTIMATE in entry.values:
            point = entry.point
            key = (str(point["network"]), str(point["board"]), around_macro(point))
            found.setdefault(key, []).append(entry)
    return [_group(*key, found[key], target) for key in sorted(found)]


def _group(
    network: str, board: str, macro: bool, entries: list[Entry], target: float | None
) -> Group:
    try:
        device = find(board)
    except UnknownBoard as error:
        raise UserError(str(error)) from None
    gain = "fps" if network else "macs_per_cycle"
    values = [entry.values[ESTIMATE] for entry in entries]
    fitting = [n for n, value in enumerate(values) if value.get("fits")]
    good = [values[n] for n in fitting]
    best = [fitting[n] for n in pareto(good, gain)]
    chosen, rule = _choose(values, fitting, gain, target)
    # Of the front over all costs, whose points were mapped.
    front_values = [values[n] for n in best]
    fronts = {cost: [best[n] for n in front(front_values, cost, gain)] for cost in PICTURED}
    kept = [*best, *(n for one in fronts.values() for n in one)]
    return Group(
        network=network,
        board=device,
        macro=macro,
        gain=gain,
        entries=entries,
        fitting=fitting,
        best=best,
        fronts=fronts,
        chosen=chosen,
        rule=rule,
        shown=_shown(entries, kept, gain),
        anchors=[] if macro else anchors_of(network, device.part),
    )


def _choose(
    values: Sequence[dict[str, Any]], fitting: Sequence[int], gain: str, target: float | None
) -> tuple[int | None, str]:
    def cost(place: int) -> tuple[Any, ...]:
        # All that the front goes by is in it: so the chosen one is always on the front.
        value = values[place]
        return value["share"], value["lut"], -value[gain], *(value[c] for c in COSTS)

    if target is None or gain != "fps":
        name = "images a second" if gain == "fps" else "MACs a cycle"
        rule = f"fits the device and has the most {name} (estimated)"
        return min(fitting, key=lambda n: (-values[n][gain], cost(n)), default=None), rule
    rule = (
        f"fits the device, reaches {target:g} images a second (estimated) and takes the smallest "
        "share of its scarcest resource"
    )
    return min((n for n in fitting if values[n][gain] >= target), key=cost, default=None), rule


def _shown(entries: Sequence[Entry], kept: Sequence[int], gain: str) -> list[int]:
    """The front, those that were synthesised or simulated, then the best of the others."""
    if len(entries) <= SHOWN:
        return list(range(len(entries)))
    seen = dict.fromkeys(kept)
    seen |= dict.fromkeys(n for n, one in enumerate(entries) if len(one.values) > 1)

    def rank(place: int) -> tuple[bool, float]:
        value = entries[place].values[ESTIMATE]
        return not value.get("fits"), -value[gain]

    others = sorted((n for n in range(len(entries)) if n not in seen), key=rank)
    return sorted([*seen, *others][:SHOWN])


def refusals(entries: Iterable[Entry]) -> list[tuple[str, str, int]]:
    """Stage, reason and number of points that have no figures, most frequent first."""
    counts = Counter((stage, text) for e in entries for stage, text in e.errors.items())
    return [(stage, text, count) for (stage, text), count in counts.most_common()]
