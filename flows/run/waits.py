"""What a layer waited for: the cycles of its span, each given to work or to one cause."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flows.run.executed import Executed
from flows.run.moved import beats_of
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.layout import LoadTarget

__all__ = ["LEADERS", "Cause", "LayerTime", "Waits"]

LEADERS = (Unit.MATRIX, Unit.VECTOR, Unit.LOAD, Unit.STORE, Unit.WEIGHT)
"""A layer's time is told by the first of these units that has a descriptor of it."""


class Cause(StrEnum):
    """Why the leading unit of a layer did not work in a cycle of the layer's span.

    While a product is in the matrix unit and the array takes no beat of it:

    FEED
        its weight tiles are not all in the array yet. The log does not say in which cycles of a
        product there was a beat, so this is the most that it can be: where weights and sums both
        hold a product up, it is counted here.
    SUMS
        the other such cycles: the array is being filled, or the vector unit has not taken sums.

    While the leading unit has a descriptor of another layer:

    OTHERS
        it works for another layer.

    While the leading unit has none: the descriptor is found that the unit's next one had to wait
    for, of several the one that ends last; if that has not begun either, the one that it waits for
    in turn, until one is at work in that cycle. Behind the unit's last descriptor of the layer, the
    layer's end stands for the next one: it waits for all descriptors of the layer.

    WEIGHTS
        it loads weights, or fills the array's tiles.
    PARAMETERS
        it loads channel parameters, tables, a row order or a macro's items.
    TENSORS
        it loads a tensor, or a strip or a constant one.
    MATRIX, VECTOR, STORE
        it is that unit's.
    DISPATCH
        there is none: all that it had to wait for was done, and it was still being fetched, queued
        or started.
    """

    FEED = "feed"
    SUMS = "sums"
    OTHERS = "others"
    WEIGHTS = "weights"
    PARAMETERS = "parameters"
    TENSORS = "tensors"
    MATRIX = "matrix"
    VECTOR = "vector"
    STORE = "store"
    DISPATCH = "dispatch"


@dataclass(frozen=True, kw_only=True)
class LayerTime:
    """Time of a layer.

    Attributes
    ----------
    lead
        the unit that ``work`` is of.
    start, stop
        span: cycles between which any unit worked on the layer.
    work
        beats of the array, if ``lead`` is the matrix unit; else cycles with a descriptor.
    waits
        the other cycles of the span by cause: with ``work`` they add up to ``stop - start``.
    """

    lead: Unit
    start: int
    stop: int
    work: int
    waits: Mapping[Cause, int]


class Waits:
    """The times of the layers of a run.

    Parameters
    ----------
    done : sequence of Executed
        All descriptors of the run, in program order.
    """

    def __init__(self, done: Sequence[Executed], spec: MachineSpec) -> None:
        self.done = done
        self.spec = spec
        self.by_unit = {unit: [one for one in done if one.unit is unit] for unit in LEADERS}
        self.stops = {unit: [one.stop for one in own] for unit, own in self.by_unit.items()}
        self.fed = self._fed()

    def layer(self, tag: int) -> LayerTime | None:
        """The time of the layer ``tag``; None if no descriptor is its."""
        own = [one for one in self.done if one.tag == tag]
        if not own:
            return None
        lead = next(unit for unit in LEADERS if any(one.unit is unit for one in own))
        start, stop = min(one.start for one in own), max(one.stop for one in own)
        waits: Counter[Cause] = Counter()
        work = 0
        # The end of the layer is as a descriptor that waits for all others of it.
        end = tuple(one.index for one in own)
        last = max(one.index for one in own if one.unit is lead)
        at = start
        line = self.by_unit[lead]
        for one in line[bisect_right(self.stops[lead], start) :]:
            if one.start >= stop:
                break
            if one.start > at:
                self._blame(one.after if one.index <= last else end, at, one.start, waits)
            first, behind = max(at, one.start), min(one.stop, stop)
            if one.tag != tag:
                waits[Cause.OTHERS] += behind - first
            elif lead is Unit.MATRIX:
                work += self._product(one, waits)
            else:
                work += one.cycles
            at = behind
        self._blame(end, at, stop, waits)
        return LayerTime(lead=lead, start=start, stop=stop, work=work, waits=+waits)

    def _product(self, one: Executed, waits: Counter[Cause]) -> int:
        """Beats of a product; its other cycles are added to the waits."""
        beats = min(beats_of(one.descriptor, self.spec), one.cycles)
        idle = one.cycles - beats
        feed = min(idle, max(0, min(self.fed[one.index], one.stop) - one.start))
        waits[Cause.FEED] += feed
        waits[Cause.SUMS] += idle - feed
        return beats

    def _blame(self, after: Sequence[int], start: int, stop: int, waits: Counter[Cause]) -> None:
        """Give the cycles before the start of what waits for ``after`` to their causes."""
        while start < stop:
            blockers = [self.done[index] for index in after]
            one = max(blockers, key=lambda one: (one.stop, one.index), default=None)
            if one is None or one.stop <= start:
                waits[Cause.DISPATCH] += stop - start
                return
            waits[Cause.DISPATCH] += max(0, stop - one.stop)
            stop = min(stop, one.stop)
            waits[_cause(one)] += max(0, stop - max(start, one.start))
            stop = min(stop, one.start)
            after = one.after

    def _fed(self) -> dict[int, int]:
        """By product: the cycle in which its last weight tile was in the array."""
        tiles, behind = 0, 0
        fillers = iter(self.by_unit[Unit.WEIGHT])
        filled, when = 0, 0
        found = {}
        for product in self.by_unit[Unit.MATRIX]:
            tiles += product.descriptor.fields["tiles"]
            while filled < tiles:
                filler = next(fillers)
                filled += filler.descriptor.fields["tiles"]
                when = filler.stop
            behind = max(behind, when)
            found[product.index] = behind
        return found


def _cause(one: Executed) -> Cause:
    match one.unit:
        case Unit.LOAD:
            target = one.descriptor.fields["target"]
            if target == LoadTarget.WEIGHTS:
                return Cause.WEIGHTS
            return Cause.TENSORS if target == LoadTarget.SCRATCHPAD else Cause.PARAMETERS
        case Unit.WEIGHT:
            return Cause.WEIGHTS
        case Unit.MATRIX:
            return Cause.MATRIX
        case Unit.VECTOR:
            return Cause.VECTOR
        case _:
            return Cause.STORE
