"""How far the estimate of each layer is from its simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycles.cycle_estimate import CycleEstimate
from flows.estimate.cycles.cycle_points import layer_front
from flows.mapper import MappedNetwork
from flows.run.activity import intervals

__all__ = ["LEAST", "layer_errors"]

LEAST = 1000
"""Cycles from which a layer is looked at: of shorter ones a few cycles are a percent."""


def layer_errors(
    mapped: MappedNetwork, estimate: CycleEstimate, events: NDArray[np.void], total: int
) -> dict[str, Any]:
    """Layers of at least :data:`LEAST` cycles: how many, how many within 3 %, and the worst.

    A layer's cycles are the delay of the end by it (:func:`layer_front`), on both sides.
    """
    ends = [0] * (len(mapped.layers) + 2)
    for one in intervals(events):
        ends[one.tag] = max(ends[one.tag], one.stop)
    measured = np.array(layer_front(ends, total))
    long = measured >= LEAST
    errors = (estimate.cycles[0] / np.maximum(measured, 1) - 1)[long]
    names = np.array(estimate.names)[long]
    worst = int(np.abs(errors).argmax()) if len(errors) else None
    return {
        "layers": int(long.sum()),
        "layers_within_3_percent": int((np.abs(errors) <= 0.03).sum()),
        "worst_layer": None if worst is None else str(names[worst]),
        "worst_layer_error": None if worst is None else round(float(errors[worst]), 4),
    }
