"""Run of a sweep from its definition to its store; stored results are not computed again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from flows.sweep.definition import Definition, Point, point_key
from flows.sweep.evaluate import ESTIMATE, MAPPING
from flows.sweep.figures import sound
from flows.sweep.front import pareto
from flows.sweep.macro_point import around_macro
from flows.sweep.measure import SIMULATION, SYNTHESIS, Task, parts_cache
from flows.sweep.point_machine import DEFAULT_BOARD, machine_of
from flows.sweep.point_store import Outcome, Store
from flows.sweep.sweep_workers import SweepWorkers

__all__ = ["BATCH", "fronts", "sweep"]

BATCH = 2000
"""Points of one task of estimates, for which columns are fastest."""

SCRATCHPAD = "scratchpad must hold"
"""Text of refusals for lack of scratchpad, which do not depend on rows, clocks or boards."""

Progress = Callable[[str, int, int], None]
"""Called with the stage, the number of its points that are done, and their total."""


def sweep(
    definition: Definition,
    store: Store,
    workers: SweepWorkers,
    *,
    synthesise: str = "",
    simulate: str = "",
    progress: Progress = lambda stage, done, total: None,
) -> None:
    """Compute everything of a sweep that the store lacks.

    Parameters
    ----------
    synthesise, simulate : str
        ``all`` points, those on the ``front``, or none.
    """
    points = {point_key(point): point for point in definition}
    _stage(ESTIMATE, points, store, workers, BATCH, progress)
    _map_fronts(points, store, workers, progress)
    for stage, which in ((SYNTHESIS, synthesise), (SIMULATION, simulate)):
        if which:
            chosen = {key: points[key] for key in _chosen(store, list(points), which)}
            _stage(stage, chosen, store, workers, 1, progress)


def _map_fronts(
    points: Mapping[str, Point], store: Store, workers: SweepWorkers, progress: Progress
) -> None:
    """Map the points of fronts until every point of a front maps.

    A point that the mapper refuses leaves the front, and its reason is stored.
    """
    found_before = (sound(o) for o in store.outcomes(ESTIMATE) if o.point in points)
    known = {o.point: o.value for o in found_before if o.value is not None}
    alike: dict[object, list[str]] = {}
    finished = 0
    while True:
        left = [k for _, keys in fronts(known, known) for k in keys if "maps" not in known[k]]
        if not left:
            return
        total = finished + len(left)
        progress(MAPPING, finished, total)
        for outcomes in workers.run([Task(MAPPING, [points[key]]) for key in left]):
            found: dict[str, Outcome] = {}
            for one in outcomes:
                if one.value is not None:
                    known[one.point] |= one.value
                    found[one.point] = replace(one, stage=ESTIMATE, value=known[one.point])
                    continue
                some = [one.point]
                if SCRATCHPAD in str(one.error):
                    alike = alike or _by_scratchpad(points, known)
                    some = alike[_scratchpad(points[one.point])]
                for key in {one.point, *some} & known.keys():
                    del known[key]
                    found[key] = replace(one, point=key, stage=ESTIMATE)
            store.put(found.values())
            finished += len(outcomes)
            progress(MAPPING, finished, total)


def _by_scratchpad(points: Mapping[str, Point], keys: Iterable[str]) -> dict[object, list[str]]:
    """Groups of points with the same scratchpad: a network fits all of a group, or none."""
    alike: dict[object, list[str]] = {}
    for key in keys:
        # Machines around a macro have other words.
        if not around_macro(points[key]):
            alike.setdefault(_scratchpad(points[key]), []).append(key)
    return alike


def _scratchpad(point: Point) -> object:
    spec = machine_of(point)
    words = spec.lanes, spec.tokens, spec.banks, spec.bank_words
    return point.get("network"), *words, spec.act_bits < 8


def _stage(
    stage: str,
    points: Mapping[str, Point],
    store: Store,
    workers: SweepWorkers,
    size: int,
    progress: Progress,
) -> None:
    done = store.done(stage)
    left = iter([point for key, point in points.items() if key not in done])
    tasks = []
    while part := list(islice(left, size)):
        tasks.append(Task(stage, part, parts_cache()))
    finished = len(points) - sum(len(task.points) for task in tasks)
    progress(stage, finished, len(points))
    for outcomes in workers.run(tasks):
        store.put(outcomes)
        finished += len(outcomes)
        progress(stage, finished, len(points))


def _chosen(store: Store, keys: Sequence[str], which: str) -> list[str]:
    """Points with an estimate: all, or those of the front."""
    mine = set(keys)
    found = (sound(o) for o in store.outcomes(ESTIMATE) if o.point in mine)
    known = {o.point: o.value for o in found if o.value is not None}
    good = [key for key in keys if key in known]
    if which == "all":
        return good
    return [key for _, mine in fronts(known, good) for key in mine]


def fronts(
    known: Mapping[str, dict[str, Any]], keys: Iterable[str]
) -> list[tuple[tuple[str, str], list[str]]]:
    """Pareto front of each network and board, of the points that fit the device.

    Parameters
    ----------
    known : estimates by point
    keys : points
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for key in keys:
        # Machines around a macro have no cost, so they would beat all others.
        if "fps" in known[key] and known[key].get("fits"):
            point = json.loads(key)
            group = str(point["network"]), str(point.get("board", DEFAULT_BOARD))
            groups.setdefault(group, []).append(key)
    return [
        (group, [mine[i] for i in pareto([known[key] for key in mine])])
        for group, mine in groups.items()
    ]
