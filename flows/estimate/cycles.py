"""Cycles, memory traffic and bounds of a network's layers on many machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycle_estimate import BOUNDS, NEEDS, CycleEstimate
from flows.estimate.layers import Layer
from flows.estimate.points import Points
from flows.estimate.walk import Walk

__all__ = ["BOUNDS", "NEEDS", "CycleEstimate", "estimate_cycles"]

CHUNK = 2048
"""Machines at a time: their columns stay in the processor's cache."""


def estimate_cycles(
    points: Points, layers: Sequence[Layer], bytes_per_cycle: float | None = None
) -> CycleEstimate:
    """Estimate a network on machines.

    Parameters
    ----------
    bytes_per_cycle : float, optional
        What memory yields, if that is less than the bus takes.
    """
    # Programs for machines with several row classes have descriptors that others do not have.
    kinds = [np.flatnonzero(points.scatter == kind) for kind in (False, True)]
    chunks = [
        places[at : at + CHUNK] for places in kinds for at in range(0, len(places), CHUNK)
    ] or [kinds[0]]
    parts = [Walk(points[chunk], layers, bytes_per_cycle).run() for chunk in chunks]
    back = np.argsort(np.concatenate(chunks))

    def joined(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
        together: NDArray[Any] = np.concatenate(columns)[back]
        return together

    return CycleEstimate(
        names=parts[0].names,
        cycles=joined([one.cycles for one in parts]),
        busy=joined([one.busy for one in parts]),
        read_bytes=joined([one.read_bytes for one in parts]),
        written_bytes=joined([one.written_bytes for one in parts]),
        bound=joined([one.bound for one in parts]),
        needs={name: joined([one.needs[name] for one in parts]) for name in NEEDS},
        has={name: joined([one.has[name] for one in parts]) for name in NEEDS},
    )
