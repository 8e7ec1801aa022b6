"""Cycles, memory traffic and bounds of a network's layers on many machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycles.cycle_estimate import BOUNDS, NEEDS, CycleEstimate
from flows.estimate.cycles.grouped_shape import pass_counts
from flows.estimate.cycles.machine_layer import Layer
from flows.estimate.cycles.network_pass import Walk
from flows.estimate.machine_points import Points
from models.machine.memory import NEAR, MemoryTiming

__all__ = ["BOUNDS", "NEEDS", "CycleEstimate", "estimate_cycles"]

TABLES = ("cycles", "busy", "read_bytes", "written_bytes", "bound")
CHUNK = 2048
"""Machines at a time: their columns stay in the processor's cache."""


def estimate_cycles(
    points: Points,
    layers: Sequence[Layer],
    bytes_per_cycle: float | None = None,
    *,
    memory: MemoryTiming = NEAR,
    whole: bool = False,
) -> CycleEstimate:
    """Estimate a network on machines.

    Parameters
    ----------
    bytes_per_cycle : float, optional
        What memory yields, if that is less than the bus takes and than its rate.
    memory : MemoryTiming
        Its latencies and its rate.
    whole : bool
        Only the network's figures, as one layer: for very many machines. Its bound is that of the
        layer with most cycles.
    """
    kinds = _kinds(points, layers)
    chunks = [
        places[at : at + CHUNK] for places in kinds for at in range(0, len(places), CHUNK)
    ] or [kinds[0]]
    parts = (
        Walk(points[chunk], layers, bytes_per_cycle, memory).run(whole=whole) for chunk in chunks
    )
    if len(chunks) == 1:
        return next(parts)
    found: dict[str, NDArray[Any]] = {}
    names: tuple[str, ...] = ()
    for chunk, part in zip(chunks, parts, strict=True):
        unbroken = chunk[-1] - chunk[0] == len(chunk) - 1
        at = slice(chunk[0], chunk[-1] + 1) if unbroken else chunk
        names = part.names
        for name, column in _columns(part).items():
            if name not in found:
                found[name] = np.empty((*column.T.shape[:-1], len(points)), column.dtype)
            found[name].T[at] = column
    tables = {name: found[name].T for name in TABLES}
    needs = {name: found[f"needs {name}"] for name in NEEDS}
    has = {name: found[f"has {name}"] for name in NEEDS}
    return CycleEstimate(names=names, needs=needs, has=has, **tables)


def _kinds(points: Points, layers: Sequence[Layer]) -> list[NDArray[np.int64]]:
    """Indices of machines whose programs have descriptors alike.

    Those with several row classes load row orders; convolutions in groups take more passes on some
    machines than on others.
    """
    grouped = {
        (x.channels, x.outputs, x.groups, x.taps, x.positions, x.bits_out): x
        for x in layers
        if x.groups > 1
    }
    counts = [pass_counts(points, layer) for layer in grouped.values()]
    table = np.stack([points.scatter.astype(np.int64), *counts])
    kinds, which = np.unique(table, axis=1, return_inverse=True)
    return [np.flatnonzero(which.reshape(-1) == kind) for kind in range(kinds.shape[1])]


def _columns(part: CycleEstimate) -> dict[str, NDArray[Any]]:
    """All columns of an estimate; machines first."""
    columns: dict[str, NDArray[Any]] = {name: getattr(part, name) for name in TABLES}
    columns |= {f"needs {name}": part.needs[name] for name in NEEDS}
    return columns | {f"has {name}": part.has[name] for name in NEEDS}
