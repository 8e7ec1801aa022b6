"""Measured cycles of layers, and the cycle model's error on them.

The points are measured on simulated Verilog by ``python -m benchmarks.cycle_points``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.machine_layer import Layer, Table, Work
from flows.estimate.machine_points import Points
from models.machine.spec import MachineSpec

__all__ = [
    "POINTS", "SEARCH_POINTS", "SEARCH_SUMMARY", "SUMMARY", "Point",
    "cycle_errors", "error_summary", "error_text", "layer_fields",
    "layer_front", "network_errors", "point_cycles", "read_points", "search_summary",
    "spec_fields", "stated_error", "stated_search_error",
]  # fmt: skip

POINTS = Path(__file__).parents[1] / "data" / "cycle_points.jsonl"
SUMMARY = Path(__file__).parents[1] / "data" / "cycle_error.json"
SEARCH_POINTS = Path(__file__).parents[1] / "data" / "search_points.jsonl"
SEARCH_SUMMARY = Path(__file__).parents[1] / "data" / "search_error.json"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One simulated image.

    Attributes
    ----------
    machine, spec : its name here; fields of its spec that are not the default's
    network, note : what ran; what was left out of it
    layers : fields of the model's layers that are not the default's
    cycles : by how much input, each layer, and output delayed the end
    date : of the measurement
    mark : of the code it was measured on (:func:`flows.estimate.stale.code_mark`), since 2026-12
    """

    machine: str
    spec: dict[str, Any]
    network: str
    note: str
    layers: list[dict[str, Any]]
    cycles: list[int]
    date: str
    mark: str = ""


def read_points(path: Path = POINTS) -> list[Point]:
    """All measured points."""
    return [Point(**json.loads(line)) for line in path.read_text().splitlines()]


def layer_front(ends: Sequence[int], total: int) -> list[int]:
    """Delay of the end by each layer, from the cycles at which its last unit is done."""
    front = np.maximum.accumulate([0, *ends])
    front[-1] = total
    return [int(n) for n in np.diff(front)]


def spec_fields(spec: MachineSpec) -> dict[str, Any]:
    """A machine's fields that are not the default's, as plain data."""
    plain = MachineSpec()
    return {name: v for name, v in asdict(spec).items() if v != getattr(plain, name)}


def layer_fields(layer: Layer) -> dict[str, Any]:
    """A layer's fields that are not the default's, as plain data."""
    plain = Layer(name="", work=Work.VIEW)
    found: dict[str, Any] = {}
    for field in fields(Layer):
        value = getattr(layer, field.name)
        if field.name == "work":
            value = value.value
        elif field.name == "tables":
            # Keys only have to differ where tables do.
            value = [[zlib.crc32(repr(t.key).encode()), t.entries, int(t.row)] for t in value]
            if not value:
                continue
        elif value == getattr(plain, field.name):
            continue
        found[field.name] = value
    return found


def _layer(data: dict[str, Any]) -> Layer:
    tables = tuple(
        Table(key=key, entries=entries, row=bool(row)) for key, entries, row in
        data.get("tables", ())
    )  # fmt: skip
    pass_tiles = tuple(data.get("pass_tiles", ()))
    windows = tuple((int(rows), int(taps)) for rows, taps in data.get("windows", ()))
    sources = tuple(data.get("sources", Layer.sources))
    return Layer(**{
        **data, "work": Work(data["work"]), "tables": tables, "windows": windows,
        "sources": sources, "pass_tiles": pass_tiles,
    })  # fmt: skip


def point_cycles(point: Point) -> NDArray[np.int64]:
    """The model's cycles of input, layers and output."""
    spec = MachineSpec(**point.spec)
    layers = [_layer(data) for data in point.layers]
    cycles: NDArray[np.int64] = estimate_cycles(Points.of([spec], "xcup"), layers).cycles[0]
    return cycles


def cycle_errors(points: Sequence[Point] | None = None) -> NDArray[np.float64]:
    """Relative errors, estimate against simulation, of every layer of every point.

    Input and output count as layers. Layers that delay nothing are left out.
    """
    errors = []
    for point in read_points() if points is None else points:
        measured = np.array(point.cycles, dtype=np.float64)
        seen = measured > 0
        errors.append(point_cycles(point)[seen] / measured[seen] - 1)
    return np.concatenate(errors)


def network_errors(points: Sequence[Point]) -> NDArray[np.float64]:
    """Relative errors of whole images, one a point."""
    return np.array([point_cycles(one).sum() / sum(one.cycles) - 1 for one in points])


def error_summary(points: Sequence[Point]) -> dict[str, Any]:
    """Stated error of the model: errors as fractions, and numbers of measurements."""
    layers, networks = np.abs(cycle_errors(points)), np.abs(network_errors(points))
    return {
        "layers": len(layers),
        "networks": len(points),
        "machines": len({one.machine for one in points}),
        "layer_median": round(float(np.median(layers)), 5),
        "layer_p95": round(float(np.quantile(layers, 0.95)), 5),
        "layer_max": round(float(layers.max()), 5),
        "network_median": round(float(np.median(networks)), 5),
        "network_p95": round(float(np.quantile(networks, 0.95)), 5),
        "network_max": round(float(networks.max()), 5),
        "date": max(one.date for one in points),
    }


def error_text(error: dict[str, Any]) -> str:
    """The error of whole images in words: how large, and against what."""
    return (
        f"within {100 * error['network_max']:.1f} % of {error['networks']} images simulated on "
        f"{error['machines']} machines, most of one layer"
    )


def search_summary(points: Sequence[Point]) -> dict[str, Any]:
    """Stated error of machines that a search found: errors of whole images as fractions."""
    errors = np.abs(network_errors(points))
    return {
        "networks": len(points),
        "median": round(float(np.median(errors)), 5),
        "max": round(float(errors.max()), 5),
        "date": max(one.date for one in points),
    }


def stated_search_error() -> dict[str, Any]:
    """The stored summary of :func:`search_summary`."""
    found: dict[str, Any] = json.loads(SEARCH_SUMMARY.read_text())
    return found


def stated_error() -> dict[str, Any]:
    """The stored summary of :func:`error_summary`."""
    found: dict[str, Any] = json.loads(SUMMARY.read_text())
    return found
