"""Judges the order of a program from nothing but its descriptors.

Neither the mapper's lists of accesses nor the golden machine is used: addresses follow from the
fields as docs/program.md says, order from the rules of tokens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import count

import numpy as np

from models.machine.spec import MachineSpec
from models.machine.units import UNITS, WORKING_UNITS, Unit
from models.program.descriptor import Descriptor
from models.program.layout import ROW_ENTRIES, TABLE_ENTRIES, LoadTarget, VectorOp, WeightSource
from tests.support.addresses import in_windows, touched

STREAMING = (Unit.LOAD, Unit.WEIGHT, Unit.MATRIX, Unit.VECTOR)
"""Units that a stream may hold up."""


def clocks(program: Sequence[Descriptor]) -> list[list[int]]:
    """For each descriptor: per unit, how many of its descriptors are done in *every* legal run.

    Counters are anonymous, but units give and take in their own order: the n-th token taken from
    a counter is there only once the n-th one was given. So a vector clock, merged along the units'
    own orders and along the n-th token of each counter, is exact.
    """
    before: list[list[int]] = []
    after: list[list[int]] = [[0] * UNITS for _ in range(UNITS)]  # of each unit's latest
    given: dict[tuple[int, int], deque[list[int]]] = {
        (p, c): deque() for p in range(UNITS) for c in range(UNITS)
    }
    for index, one in enumerate(program):
        known = list(after[one.unit])
        for giver in range(UNITS):
            if one.wait >> giver & 1:
                queue = given[giver, one.unit]
                assert queue, f"descriptor {index} waits for a token that nobody gives before it"
                known = [max(a, b) for a, b in zip(known, queue.popleft(), strict=True)]
        before.append(known)
        done = list(known)
        done[one.unit] += 1
        after[one.unit] = done
        for taker in range(UNITS):
            if one.signal >> taker & 1:
                given[one.unit, taker].append(done)
    left = {key: len(queue) for key, queue in given.items() if queue}
    assert not left, f"every token must be taken, these are left (giver, taker): {left}"
    return before


def hazard(spec: MachineSpec, program: Sequence[Descriptor]) -> str | None:
    """The first pair of descriptors that meet in a memory, one writing, without an order."""
    sizes = {"scratchpad": spec.scratchpad_words, "params": spec.param_entries,
             "function table": TABLE_ENTRIES, "row table": ROW_ENTRIES,
             "row order": spec.param_entries}  # fmt: skip
    for one in program:
        for window, beats, _ in in_windows(spec, one):
            sizes[window] = max(sizes.get(window, 0), int(beats.max(initial=-1)) + 1)
    # Per memory, kind of access and unit: number of the last one at each address. Earlier ones of
    # the same unit are done before it.
    last = {(m, w): np.zeros((UNITS, n), dtype=int) for m, n in sizes.items() for w in (0, 1)}
    place = [0] * UNITS
    for index, (one, known) in enumerate(zip(program, clocks(program), strict=True)):
        accesses = [*touched(spec, one), *in_windows(spec, one)]
        for memory, addresses, write in accesses:
            for other in range(UNITS):
                if other == one.unit or not len(addresses):
                    continue
                for kind in (0, 1) if write else (1,):
                    seen = last[memory, kind][other, addresses]
                    if seen.max() > known[other]:
                        at = addresses[int(seen.argmax())]
                        return (
                            f"descriptor {index} ({one.unit.name}) {'writes' if write else 'reads'}"
                            f" {memory} {at}, which number {seen.max()} of {Unit(other).name} "
                            f"{'writes' if kind else 'reads'}, but only {known[other]} are done"
                        )
        place[one.unit] += 1
        for memory, addresses, write in accesses:
            last[memory, int(write)][one.unit, addresses] = place[one.unit]
    return None


def run_to_end(spec: MachineSpec, program: Sequence[Descriptor], *, tiles: int) -> int:
    """Run units, queues and tokens until nothing moves; gives the number of descriptors done.

    As hard as can be: no stream holds anything. Weights leave the load unit only into a tile, of
    which the engine has ``tiles``; a tile's results go straight to a drain that is at work. Units
    without streams are done at once. Units and queues are deterministic and only ever wait, so one
    order of steps stands for all.
    """
    ahead = deque(program)
    queues: list[deque[Descriptor]] = [deque() for _ in range(UNITS)]
    at_work: list[Descriptor | None] = [None] * UNITS
    steps = [0] * UNITS
    tokens = np.zeros((UNITS, UNITS), dtype=int)
    filled = done = 0
    fills = deque(_fills(program))

    def finish(unit: int) -> None:
        nonlocal done
        one = at_work[unit]
        assert one is not None
        for taker in range(UNITS):
            tokens[unit, taker] += one.signal >> taker & 1
        at_work[unit] = None
        done += 1

    for _ in count():
        moved = False
        while ahead and len(queues[ahead[0].unit]) < spec.queue_depth:
            queues[ahead[0].unit].append(ahead.popleft())
            moved = True
        for unit in range(UNITS):
            if at_work[unit] is None and queues[unit]:
                waits = [p for p in range(UNITS) if queues[unit][0].wait >> p & 1]
                if all(tokens[p, unit] for p in waits):
                    tokens[waits, unit] -= 1
                    at_work[unit], steps[unit] = queues[unit].popleft(), 0
                    moved = True
        load, weight, matrix, vector = (at_work[unit] for unit in STREAMING)
        streaming = load is not None and load.fields["target"] == LoadTarget.WEIGHTS
        if load is not None and not streaming:
            finish(Unit.LOAD)
            moved = True
        for unit in set(WORKING_UNITS) - set(STREAMING):
            if at_work[unit] is not None:
                finish(unit)
                moved = True
        if vector is not None and vector.fields["op"] != VectorOp.DRAIN:
            finish(Unit.VECTOR)
            moved = True
        if weight is not None and filled < tiles:
            stream = weight.fields["source"] == WeightSource.STREAM
            if streaming or not stream:
                filled, moved = filled + 1, True
                steps[Unit.WEIGHT] += 1
                if steps[Unit.WEIGHT] == weight.fields["tiles"]:
                    finish(Unit.WEIGHT)
                    if stream:
                        fills[0] -= 1
                    if stream and not fills[0]:
                        fills.popleft()
                        finish(Unit.LOAD)
        drains = vector is not None and vector.fields["op"] == VectorOp.DRAIN
        if matrix is not None and filled and drains:
            filled, moved = filled - 1, True
            steps[Unit.MATRIX] += 1
            if steps[Unit.MATRIX] == matrix.fields["tiles"]:
                finish(Unit.MATRIX)
                finish(Unit.VECTOR)
        if not moved:
            break
    return done


def _fills(program: Sequence[Descriptor]) -> list[int]:
    """How many weight descriptors each load of weights is for, in the order of the program."""
    found: list[int] = []
    for one in program:
        if one.unit is Unit.LOAD and one.fields["target"] == LoadTarget.WEIGHTS:
            found.append(0)
        elif one.unit is Unit.WEIGHT and one.fields["source"] == WeightSource.STREAM:
            found[-1] += 1
    return found
