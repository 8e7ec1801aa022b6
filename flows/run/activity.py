"""What the units of a machine did when: from recorded events to intervals and figures per layer."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.mapper import MappedLayer
from models.machine.units import Unit

__all__ = ["Interval", "LayerActivity", "intervals", "layer_activities"]


@dataclass(frozen=True)
class Interval:
    """A unit works on a descriptor of the layer ``tag``, from cycle ``start`` up to ``stop``."""

    unit: int
    tag: int
    start: int
    stop: int

    @property
    def cycles(self) -> int:
        """Length."""
        return self.stop - self.start


@dataclass(frozen=True, kw_only=True)
class LayerActivity:
    """Figures of a layer in one run.

    Attributes
    ----------
    start, stop
        cycles between which any unit worked on it (layers overlap).
    matrix_cycles, vector_cycles
        in which the matrix and the vector unit were at it.
    array_busy
        share of the matrix cycles in which the array took a beat; None without any.
    utilisation
        multiply-accumulates over what the array could have done in its matrix cycles; None without.
    """

    layer: MappedLayer
    start: int
    stop: int
    matrix_cycles: int
    vector_cycles: int
    array_busy: float | None
    utilisation: float | None


def intervals(events: NDArray[np.void]) -> list[Interval]:
    """Intervals of all units, ordered by their starts.

    Parameters
    ----------
    events
        array with the fields ``cycle``, ``tag``, ``unit``, ``start``, in order. A unit may begin
        further descriptors before it ends the first; it ends them in order.

    Raises
    ------
    ValueError
        if a unit ends what it did not begin.
    """
    begun: dict[int, deque[tuple[int, int]]] = {}
    found = []
    for cycle, tag, unit, start in events.tolist():
        if start:
            begun.setdefault(unit, deque()).append((tag, cycle))
            continue
        if not begun.get(unit):
            raise ValueError(f"unit {unit} must begin before it ends in cycle {cycle}")
        of, since = begun[unit].popleft()
        found.append(Interval(unit, of, since, cycle))
    return sorted(found, key=lambda one: (one.start, one.unit))


def layer_activities(
    layers: Sequence[MappedLayer], found: Sequence[Interval], macs_per_cycle: int
) -> list[LayerActivity]:
    """Figures of every layer that any unit worked on, in the network's order."""
    activities = []
    for layer in layers:
        own = [one for one in found if one.tag == layer.tag]
        if not own:
            continue
        matrix = sum(one.cycles for one in own if one.unit == Unit.MATRIX)
        activities.append(
            LayerActivity(
                layer=layer,
                start=min(one.start for one in own),
                stop=max(one.stop for one in own),
                matrix_cycles=matrix,
                vector_cycles=sum(one.cycles for one in own if one.unit == Unit.VECTOR),
                array_busy=layer.beats / matrix if matrix and layer.macs else None,
                utilisation=layer.macs / matrix / macs_per_cycle if matrix and layer.macs else None,
            )
        )
    return activities
