"""Estimates of many points at once; an error of one point does not affect the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numpy as np

from flows.boards.board import DEVICE
from flows.errors import UserError
from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.found_network import Network, find_network
from flows.estimate.machine_points import Points
from flows.estimate.resources.resources import ResourceColumns, resource_columns
from flows.sweep.definition import Point, point_key
from flows.sweep.macro_point import around_macro, macro_figures
from flows.sweep.point_machine import board_of, classes_text, clock_of, machine_of
from flows.sweep.point_store import Outcome
from models.machine.spec import MachineSpec

__all__ = ["ESTIMATE", "MAPPING", "evaluate", "map_point"]

ESTIMATE = "estimate"
MAPPING = "mapping"
"""Stage in which the points of a front are mapped; a refusal replaces the point's estimate."""


@cache
def _network(name: str) -> Network:
    return find_network(name)


def evaluate(points: Sequence[Point]) -> list[Outcome]:
    """Estimate points, in their order; machines around a macro have no resources."""
    found: dict[int, Outcome] = {}
    machines: dict[int, MachineSpec] = {}
    for index, point in enumerate(points):
        try:
            if "network" in point:
                _network(str(point["network"]))
            if around_macro(point):
                found[index] = _outcome(point, value=macro_figures(point))
            else:
                machines[index] = machine_of(point)
        except UserError as error:
            found[index] = _outcome(point, error=str(error))
    where = np.array(sorted(machines), dtype=np.int64)
    if len(where):
        families = [board_of(points[i]).family for i in where]
        columns = Points.of([machines[i] for i in where], families)
        values = _resources(columns, [points[i] for i in where])
        for network in sorted({str(points[i].get("network", "")) for i in where} - {""}):
            mine = [n for n, i in enumerate(where) if points[i].get("network") == network]
            chosen = [points[where[n]] for n in mine]
            _cycles(columns[np.array(mine)], chosen, _network(network), [values[n] for n in mine])
        for n, index in enumerate(where):
            if "policy" in points[index]:
                values[n]["classes"] = classes_text(machines[index])
            lacks = values[n].pop("error", None)
            found[int(index)] = _outcome(points[index], None if lacks else values[n], lacks)
    return [found[index] for index in range(len(points))]


def map_point(point: Point) -> Outcome:
    """Whether the mapper takes the network on a point's machine, or why not.

    With a policy, a file is mapped as if that policy had quantised it; ``maps`` says whether the
    file maps as it is, too.
    """
    network, spec = _network(str(point["network"])), machine_of(point)
    refusal = _refusal(network, spec)
    if refusal is not None and network.of_file and "policy" in point:
        shapes = _refusal(replace(network, of_file=False), spec)
        if shapes is None:
            return replace(_outcome(point, value={"maps": "by its shapes"}), stage=MAPPING)
        refusal = shapes
    value = {"maps": "as it is"} if refusal is None else None
    return replace(_outcome(point, value=value, error=refusal), stage=MAPPING)


@lru_cache(maxsize=4096)
def _refusal(network: Network, spec: MachineSpec) -> str | None:
    return network.refusal(spec)


def _outcome(
    point: Point, value: dict[str, Any] | None = None, error: str | None = None
) -> Outcome:
    return Outcome(point=point_key(point), stage=ESTIMATE, value=value, error=error)


def _resources(columns: Points, points: Sequence[Point]) -> list[dict[str, Any]]:
    """Resources, the largest share of the device, and parameters beyond the calibration."""
    cost: ResourceColumns = resource_columns(columns)
    outside = {name: where for name, where in cost.outside.items() if where.any()}
    tables = {name: getattr(cost, name).tolist() for name in DEVICE}
    macs = columns.macs_per_cycle.tolist()
    values = []
    for index, point in enumerate(points):
        device = board_of(point).resources
        value: dict[str, Any] = {name: table[index] for name, table in tables.items()}
        shares = {n: value[n] / getattr(device, f) for n, f in DEVICE.items()}
        fullest = max(shares, key=lambda n: shares[n])
        value |= {
            "macs_per_cycle": macs[index],
            "fullest": fullest,
            "share": round(shares[fullest], 4),
            "fits": shares[fullest] <= 1,
        }
        extrapolated = [name for name, where in outside.items() if where[index]]
        if extrapolated:
            value["extrapolated"] = extrapolated
        values.append(value)
    return values


def _cycles(
    columns: Points, points: Sequence[Point], network: Network, values: list[dict[str, Any]]
) -> None:
    """Add cycles, rates and traffic of a network, bandwidth by bandwidth."""
    rates = np.array([_rate(p) for p in points])
    for rate in np.unique(rates):
        mine = np.flatnonzero(rates == rate)
        limit = None if np.isinf(rate) else float(rate)
        estimate = estimate_cycles(columns[mine], network.layers, limit, whole=True)
        total, read = estimate.total.tolist(), estimate.read_bytes.sum(axis=1).tolist()
        written, fits = estimate.written_bytes.sum(axis=1).tolist(), estimate.fits.tolist()
        for n, index in enumerate(mine.tolist()):
            value = values[index]
            if not fits[n]:
                value["error"] = estimate.lacking(n, network.name)
                continue
            per_second = clock_of(points[index]) * 1e6 / total[n]
            gops = 2 * network.macs * per_second / 1e9
            value |= {
                "cycles": total[n],
                "fps": round(per_second, 4),
                "gops": round(gops, 4),
                "utilisation": round(network.macs / total[n] / value["macs_per_cycle"], 4),
                "gops_per_klut": round(gops / value["lut"] * 1000, 4),
                "read_bytes": read[n],
                "written_bytes": written[n],
            }
            if value["dsp"]:
                value["gops_per_dsp"] = round(gops / value["dsp"], 5)


def _rate(point: Point) -> float:
    """Memory bandwidth in bytes a cycle; infinite without a limit."""
    if "bandwidth_mb_s" not in point:
        return float("inf")
    return float(point["bandwidth_mb_s"]) / clock_of(point)
