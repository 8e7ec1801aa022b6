"""Judges the order of a program from nothing but its descriptors.

Neither the mapper's lists of accesses nor the golden machine is used: addresses follow from the
fields as docs/program.md says, order from the rules of tokens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import count

import numpy as np

from models.machine_spec import MachineSpec
from models.program.descriptor import Descriptor
from models.program.layout import (
    PARAM_BYTES,
    ROW_ENTRIES,
    TABLE_ENTRIES,
    UNITS,
    LoadTarget,
    Unit,
    VectorOp,
    WeightSource,
)
from models.rescale import Integers

Touched = list[tuple[str, Integers, bool]]
"""Memory, addresses, written?"""


def span(start: int, size: int) -> Integers:
    """Successive addresses."""
    return np.arange(start, start + size)


def positions(f: dict[str, int], start: int, size: int) -> Integers:
    """First words of walked positions: line by line, a line step after the last of a line."""
    y, x = np.divmod(np.arange(size), f["width"])
    return start + y * ((f["width"] - 1) * f["token_step"] + f["line_step"]) + x * f["token_step"]


def taps(f: dict[str, int]) -> tuple[Integers, Integers, Integers]:
    """Row, column and distance in words of every tap of a kernel."""
    y, x = np.divmod(np.arange(f["kernel_y"] * f["kernel_x"]), f["kernel_x"])
    return y, x, y * ((f["kernel_x"] - 1) * f["tap_step"] + f["tap_line_step"]) + x * f["tap_step"]


def words(starts: Integers, size: int) -> Integers:
    """Every word of rows that begin at ``starts``."""
    return np.unique(np.asarray(starts)[..., None] + np.arange(size))


def touched(spec: MachineSpec, one: Descriptor) -> Touched:
    """Addresses on the chip that a descriptor reads and writes."""
    f = dict(one.fields)
    match one.unit:
        case Unit.LOAD:
            return _load(spec, f)
        case Unit.STORE:
            return [("scratchpad", span(f["address"], f["words"]), False)]
        case Unit.WEIGHT:
            if f["source"] == WeightSource.STREAM:
                return []
            keys = (f["entries"] - 1) * spec.lanes + f["last_lanes"]
            if f["source"] == WeightSource.DIRECT:
                starts = f["base"] + np.arange(f["rows"]) * f["stride"]
                return [("scratchpad", words(starts, -(-f["entries"] // spec.tokens)), False)]
            starts = f["base"] + np.arange(keys) * f["stride"]
            return [("scratchpad", words(starts, -(-f["rows"] // spec.word_bytes)), False)]
        case Unit.MATRIX:
            ky, kx, distance = taps(f)
            oy, ox = np.divmod(np.arange(f["tokens"]), f["width"])
            y = f["start_y"] + oy[:, None] * f["stride_y"] + ky * f["dilation_y"]
            x = f["start_x"] + ox[:, None] * f["stride_x"] + kx * f["dilation_x"]
            inside = (y >= 0) & (y < f["in_height"]) & (x >= 0) & (x < f["in_width"])
            at = positions(f, f["base"], f["tokens"])[:, None] + distance
            return [("scratchpad", words(at[inside], f["words"]), False)]
        case _:
            return _vector(spec, f)


def _load(spec: MachineSpec, f: dict[str, int]) -> Touched:
    size = f["beats"] * spec.axi_bytes
    match LoadTarget(f["target"]):
        case LoadTarget.WEIGHTS:
            return []
        case LoadTarget.SCRATCHPAD:
            return [("scratchpad", span(f["address"], size // spec.word_pitch), True)]
        case LoadTarget.PARAMS:
            entries = -(-size // (PARAM_BYTES * spec.vector_lanes))
            return [("params", span(f["address"], entries), True)]
        case LoadTarget.FUNCTION_TABLE:
            return [("function table", span(f["address"], size // 2), True)]
        case _:
            return [("row table", span(f["address"], size // 2), True)]


def _vector(spec: MachineSpec, f: dict[str, int]) -> Touched:
    op = VectorOp(f["op"])

    def row_words(wide: str) -> int:
        return -(-f["channels"] * (1 + f[wide]) // spec.word_bytes)

    def rows(name: str) -> Integers:
        return f[name] + np.arange(f["rows"]) * f[f"{name}_stride"]

    found: Touched = [("scratchpad", words(rows("out"), row_words("wide_out")), True)]
    if op in (VectorOp.MAX_POOL, VectorOp.AVERAGE_POOL):
        at = positions(f, f["src"], f["rows"])[:, None] + taps(f)[2]
        found.append(("scratchpad", words(at, row_words("wide_in")), False))
    elif op is not VectorOp.DRAIN:
        found.append(("scratchpad", words(rows("src"), row_words("wide_in")), False))
    if op is VectorOp.ADD:
        found.append(("scratchpad", words(rows("src2"), row_words("wide_in")), False))
    if op in (VectorOp.DRAIN, VectorOp.LAYER_NORM):
        entries = -(-f["channels"] // spec.vector_lanes) if f["param_step"] else 1
        found.append(("params", span(f["param"], entries), False))
    if f["table"] or op is VectorOp.SOFTMAX:
        found.append(("function table", span(f["table_base"], f["table_last"] + 1), False))
    if op in (VectorOp.LAYER_NORM, VectorOp.SOFTMAX):
        size = 1024 if f["row_floating"] else f["row_last"] + 1
        found.append(("row table", span(f["row_base"], size), False))
        if f["row_two"]:
            base = f["row_base"] + f["row2_base"]
            found.append(("row table", span(base, f["row2_last"] + 1), False))
    return found


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
             "function table": TABLE_ENTRIES, "row table": ROW_ENTRIES}  # fmt: skip
    # Per memory, kind of access and unit: number of the last one at each address. Earlier ones of
    # the same unit are done before it.
    last = {(m, w): np.zeros((UNITS, n), dtype=int) for m, n in sizes.items() for w in (0, 1)}
    place = [0] * UNITS
    for index, (one, known) in enumerate(zip(program, clocks(program), strict=True)):
        accesses = touched(spec, one)
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
    and queues are deterministic and only ever wait, so one order of steps stands for all.
    """
    ahead = deque(program)
    queues: list[deque[Descriptor]] = [deque() for _ in range(UNITS)]
    at_work: list[Descriptor | None] = [None] * UNITS
    steps = [0] * UNITS
    tokens = np.zeros((UNITS, UNITS), dtype=int)
    filled = done = 0

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
        load, weight, matrix, vector, store = at_work
        streaming = load is not None and load.fields["target"] == LoadTarget.WEIGHTS
        if load is not None and not streaming:
            finish(Unit.LOAD)
            moved = True
        if store is not None:
            finish(Unit.STORE)
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
