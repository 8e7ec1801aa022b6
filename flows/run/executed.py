"""A program's descriptors with the cycles in which a machine executed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flows.run.activity import Interval
from models.machine.units import UNIT_NAMES, UNITS, WORKING_UNITS, Unit
from models.program.descriptor import Descriptor

__all__ = ["Executed", "executed"]


@dataclass(frozen=True, kw_only=True)
class Executed:
    """A descriptor that a unit worked on from cycle ``start`` up to ``stop``.

    Attributes
    ----------
    index
        its place in the program.
    after
        indices of those that had to be done before it could start: the one before it in its unit,
        and for each unit of its ``wait`` bits the one whose token it took.
    """

    index: int
    descriptor: Descriptor
    start: int
    stop: int
    after: tuple[int, ...] = ()

    @property
    def unit(self) -> Unit:
        """The unit."""
        return self.descriptor.unit

    @property
    def tag(self) -> int:
        """Number of the operator it belongs to."""
        return self.descriptor.tag

    @property
    def cycles(self) -> int:
        """Length."""
        return self.stop - self.start


def executed(program: Sequence[Descriptor], found: Sequence[Interval]) -> list[Executed]:
    """The descriptors of a finished run, in program order.

    A unit takes its descriptors in program order, so its intervals are theirs, one after the other.

    Parameters
    ----------
    program
        without ``END``.
    found
        intervals of the same run.

    Raises
    ------
    ValueError
        if a unit's intervals are not those of its descriptors.
    """
    own: list[list[Interval]] = [[] for _ in range(UNITS)]
    for interval in sorted(found, key=lambda one: one.start):
        own[interval.unit].append(interval)
    for unit in WORKING_UNITS:
        tags = [one.tag for one in program if one.unit is unit]
        if tags != [one.tag for one in own[unit]]:
            raise ValueError(
                f"events of the {UNIT_NAMES[unit]} unit must be those of its {len(tags)} "
                f"descriptors in program order, not of {len(own[unit])} others"
            )
    turn = [iter(intervals) for intervals in own]
    after = _after(program)
    made = []
    for index, one in enumerate(program):
        interval = next(turn[one.unit])
        made.append(
            Executed(
                index=index, descriptor=one, start=interval.start, stop=interval.stop,
                after=after[index],
            )
        )  # fmt: skip
    return made


def _after(program: Sequence[Descriptor]) -> list[tuple[int, ...]]:
    """What each descriptor waits for: the n-th token between two units is the n-th one taken."""
    given: dict[tuple[int, int], list[int]] = {}
    for index, one in enumerate(program):
        for taker in _units(one.signal):
            given.setdefault((one.unit, taker), []).append(index)
    taken: dict[tuple[int, int], int] = {}
    last: dict[Unit, int] = {}
    found = []
    for index, one in enumerate(program):
        before = [last[one.unit]] if one.unit in last else []
        for giver in _units(one.wait):
            turn = taken.get((giver, one.unit), 0)
            before.append(given[giver, one.unit][turn])
            taken[giver, one.unit] = turn + 1
        last[one.unit] = index
        found.append(tuple(before))
    return found


def _units(mask: int) -> list[int]:
    return [unit for unit in range(UNITS) if mask >> unit & 1]
