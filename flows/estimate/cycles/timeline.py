"""Times at which the units of many machines work: a recurrence over descriptors.

As in the hardware, descriptors are fetched in order into a queue for each unit. A unit takes its
queue in order, and starts when its tokens are there. The units that share a product (load, weight,
matrix, vector) are solved together, tile by tile in closed form. Times are columns over machines.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycles.fetches import FETCH, Fetches
from flows.estimate.cycles.geometry import Column, ProductShape, ceil, dynamic_rows
from flows.estimate.cycles.loads import BURST, PREFETCHED, Loads, queued
from flows.estimate.cycles.tile_ring import TileRing
from flows.estimate.machine_points import Points
from models.cost.pipelines import (
    CHECK_LATENCY,
    DISPATCH_LATENCY,
    DONE_LATENCY,
    FETCHES_AHEAD,
    ISSUE_LATENCY,
    LANE_LATENCY,
    NORM_CYCLES,
    NORM_SCALARS,
    READ_LATENCY,
    REDUCE_STAGE,
    RESULT_LATENCY,
    SOFTMAX_CYCLES,
    SOFTMAX_SCALARS,
    SPLIT_LATENCY,
    START_LATENCY,
    digital_latency,
    drain_latency,
    reduce_latency,
)
from models.machine.memory import NEAR, MemoryTiming
from models.machine.units import UNITS, WORKING_UNITS, Unit

__all__ = ["Timeline"]

LOAD, WEIGHT, MATRIX, VECTOR, STORE = Unit.LOAD, Unit.WEIGHT, Unit.MATRIX, Unit.VECTOR, Unit.STORE
DESCRIPTOR_BITS = 1024

# Cycles, read off the schedules of the simulated machine.
# Of latencies without the memory's own: to that of reads or writes they are added.
LOAD_LATENCY = 7 + CHECK_LATENCY + SPLIT_LATENCY  # cycles of a load without its beats
FIRST_WORD = 6 + CHECK_LATENCY + SPLIT_LATENCY  # from the start of a load to its first word, ditto
# From a beat to the write of its results, and of the last one to the unit's being done.
PIPELINE = ISSUE_LATENCY + LANE_LATENCY + RESULT_LATENCY + DONE_LATENCY
VECTOR_LATENCY = PIPELINE + 2 + READ_LATENCY  # cycles of a vector descriptor without its beats
MAXIMUM = 8  # from a row's largest code to its exponentials
STORE_LATENCY = 4 + CHECK_LATENCY + READ_LATENCY
HELD = 2  # K loops whose results wait for a drain before the array stops
AHEAD = 64  # beats of a load behind which a fetch of descriptors comes


def latest(*times: Column) -> Column:
    """The latest of some times."""
    result = times[0]
    for time in times[1:]:
        result = np.maximum(result, time)
    return result


def _latency(points: Points) -> Column:
    """``[n]`` cycles from the last beat of a K loop to its first results."""
    # The row array's sums go through a chain over the lanes, then through the drain's selections.
    held = dynamic_rows(points)
    places = points.tokens * (points.rows + np.where(held < points.rows, held, 0))
    classed = points.lanes + 5 + drain_latency(places, points.vector_lanes)
    cycles: Column = np.where(points.with_classes, classed, digital_latency(points.lanes))
    return cycles


class Timeline:
    """The state of ``n`` machines in the course of a program; times are cycles ``[n]``.

    Parameters
    ----------
    points : Points
    slowdown : float array [n]
        Cycles a bus beat takes at least: 1, or more if memory is slower than the bus.
    memory : MemoryTiming
        Its latencies.
    """

    def __init__(
        self, points: Points, slowdown: NDArray[np.float64], memory: MemoryTiming = NEAR
    ) -> None:
        self.points = points
        self.slowdown = slowdown
        self.fetch_latency = FETCH + memory.read_latency
        self.queued = queued(slowdown, memory)
        self.response = memory.write_latency
        self.load_latency = LOAD_LATENCY + memory.read_latency
        self.first_word = FIRST_WORD + memory.read_latency
        self.store_latency = STORE_LATENCY + memory.write_latency
        zero = np.zeros(len(points), dtype=np.int64)
        self.zero = zero
        self.fetch = np.ceil(DESCRIPTOR_BITS // points.axi_width * slowdown).astype(np.int64)
        depths = np.unique(points.queue_depth).tolist()
        # Depth of the queues, and which machines have it (None: all).
        self.depths = [(d, None if len(depths) == 1 else points.queue_depth == d) for d in depths]
        self.fetches = Fetches(self.fetch, self.fetch_latency)
        self.dispatched = self.before = zero
        self.comes = zero  # first beat of the last load
        self.loads = Loads(zero)
        self.loading = (zero, zero - self.load_latency - self.fetch)  # when loads have the bus
        self.ahead = self.behind = 0  # descriptors fetched beside the first load, and later
        self.free = [zero] * UNITS
        self.starts: list[list[Column]] = [[] for _ in WORKING_UNITS]
        self.ring = TileRing(points)
        self.latency = _latency(points)

    @property
    def end(self) -> Column:
        """Time at which all units are done."""
        return latest(*self.free)

    # Descriptors

    def begin(self, unit: int, *waits: Column) -> Column:
        """Start of the next descriptor of a unit."""
        fetched = self._fetched()
        history = self.starts[unit]
        room = self.zero
        for depth, mine in self.depths:
            if len(history) >= depth:
                room = history[-depth] if mine is None else np.where(mine, history[-depth], room)
        self.before = self.dispatched
        self.dispatched = latest(fetched, self.dispatched + 1, room + 1)
        start = latest(
            self.dispatched + DISPATCH_LATENCY,
            self._takes(unit),
            *(w + START_LATENCY for w in waits),
        )
        history.append(start)
        return start

    def _fetched(self) -> Column:
        """Time at which the next descriptor has been fetched."""
        return self.fetches.next(self._queued, self.before)

    def _takes(self, unit: int) -> Column:
        """Time from which a unit takes its next descriptor."""
        if unit == LOAD:
            return self.loads.takes()
        if unit == STORE:  # while its responses are still to come
            return np.maximum(self.free[unit] - self.response, 0)
        return self.free[unit] + START_LATENCY

    def _queued(self, asked: Column) -> Column:
        """Additional latency of a fetch that is asked for at a time, behind bursts of a load."""
        return np.where((asked > self.loading[0]) & (asked < self.loading[1]), self.queued, 0)

    def _hold(self, start: Column, cycles: Column) -> None:
        """Mark the bus as taken by a load; successive loads keep it from the first one on."""
        begin, end = self.loading
        begin = np.where(start <= end + self.load_latency + self.fetch, begin, start)
        self.loading = (begin, start + cycles)

    def last(self) -> None:
        """Add the descriptor that ends the program."""
        self.free[STORE] = np.maximum(self.free[STORE], self._fetched()) + 2

    def finish(self, unit: int, end: Column) -> Column:
        """Mark a unit as free from the time ``end`` on."""
        self.free[unit] = end
        return end

    def load(
        self, beats: Column, *waits: Column, entries: int = 0, beside: Column | None = None
    ) -> Column:
        """Load bus beats, or a table of ``entries`` 16-bit entries; returns the end of the load.

        Descriptors share the bus for ``beside`` cycles. If these are not known, they fill all
        queues during the first load; during later ones as many are fetched as the units that work
        meanwhile make room for.
        """
        first = not self.starts[LOAD]
        start = self.begin(LOAD, *waits)
        cycles = np.ceil(beats * self.slowdown).astype(np.int64)
        if beside is None:
            most = min(4, self.behind)
            fetches = np.clip(cycles // (6 * self.fetch), cycles >= 2 * self.fetch, most)
            if first:
                each = (self.fetch + self.fetch_latency + self.queued) // FETCHES_AHEAD
                rest = (cycles + self.load_latency) // np.maximum(self.fetch, each)
                fetches = np.clip(rest, 1, self.ahead)
            beside = fetches * self.fetch
        cycles = np.maximum(cycles + beside, entries)
        self.comes = self.loads.comes(start, self.load_latency)
        self._hold(self.comes - self.load_latency, cycles)
        end = self.comes + cycles
        self.loads.add(start, beats, end, (PREFETCHED * self.slowdown).astype(np.int64))
        return self.finish(LOAD, end)

    def vector(self, beats: Column, *waits: Column) -> Column:
        """Run one vector descriptor of ``beats`` beats; returns its end."""
        start = self.begin(VECTOR, *waits)
        return self.finish(VECTOR, start + beats + VECTOR_LATENCY)

    def passes(self, rows: int, beats: Column, turns: int, *waits: Column) -> Column:
        """Layer norm (two passes) or softmax (three) over groups of rows."""
        start = self.begin(VECTOR, *waits)
        group = self.points.row_group
        whole, rest = rows // group, rows % group
        cycles = whole * self._group(group, beats, turns) + self._group(rest, beats, turns)
        return self.finish(VECTOR, start + cycles + VECTOR_LATENCY)

    def _group(self, rows: Column, beats: Column, turns: int) -> Column:
        """Cycles of passes over ``rows`` rows; a pass waits for the scalars of the one before."""
        reduced = ISSUE_LATENCY + REDUCE_STAGE + reduce_latency(self.points.vector_lanes)
        scalar, latency = (NORM_CYCLES, reduced + NORM_SCALARS)
        if turns == 3:
            scalar, latency = (SOFTMAX_CYCLES, reduced + SOFTMAX_SCALARS)
        before = self.zero
        ready = self.zero
        if turns == 3:
            before = rows * beats
            ready = np.maximum(before, beats + reduced + MAXIMUM)  # the maximum of the first row
        step = np.maximum(beats, scalar)
        first = ready + beats + latency
        after = np.maximum(ready + rows * beats, first)
        last = np.maximum(after + rows * beats, first + (rows - 1) * step + beats)
        return np.where(rows > 0, last, 0)

    def store(self, words: Column, *waits: Column) -> Column:
        """Store scratchpad words; returns the end of the store."""
        start = self.begin(STORE, *waits)
        cycles, latency = self.store_cycles(words)
        return self.finish(STORE, start + cycles + latency)

    def store_cycles(self, words: Column) -> tuple[Column, Column]:
        """Cycles in which a store's words are read and sent, and of latency besides."""
        beats = words * self.points.beats_per_word
        cycles = np.ceil(beats * self.slowdown).astype(np.int64) + 2 * ceil(beats, BURST)
        # A burst is sent when all its words have been read.
        return cycles, np.minimum(beats, BURST) + self.store_latency

    # Products

    def product(
        self,
        shape: ProductShape,
        *,
        streamed: bool,
        weights: Sequence[Column],
        acts: Sequence[Column],
        drain: Sequence[Column],
        brings: Column | None = None,
        beside: tuple[Column, Column] | None = None,
    ) -> Column:
        """Load weights, walk and drain one product (of one head); returns the end of the drain.

        Parameters
        ----------
        weights, acts, drain : times that the weight, matrix and vector unit wait for
        brings : words that the load of a streamed product brings, those of products behind it
            included; 0: the weights came with the load of a product before
        beside : cycles that fetches of descriptors take of the load of the first tile and of the
            second, if they are known
        """
        points = self.points
        loaded = None
        if brings is None:
            brings = shape.tiles * shape.stream
        if streamed and np.any(brings):
            loaded = self.begin(LOAD)
            words = brings * points.beats_per_word
            self._hold(loaded, (words * self.slowdown).astype(np.int64))
        weight = self.begin(WEIGHT, *weights)
        matrix = self.begin(MATRIX, *acts)
        vector = self.begin(VECTOR, *drain)

        results = shape.drain + points.with_classes
        loop = np.maximum(shape.fetch, results)
        compute = shape.groups * loop
        fill = shape.fill
        bus = self.zero
        first = weight + 4
        if streamed:
            beats = shape.stream * points.beats_per_word
            bus = np.ceil(beats * self.slowdown).astype(np.int64)
        late = after = self.zero
        if streamed and loaded is None:
            # The product's own descriptors come between the words of one load.
            late = np.clip(shape.tiles * (bus - fill) + 3 * self.fetch, 0, 3 * self.fetch)
        if loaded is not None:
            # Fetches of descriptors that are requested later wait behind AHEAD beats of a load.
            if beside is None:
                fetched = np.minimum(bus // AHEAD, min(2, self.behind)) * self.fetch
                fetched = np.where(bus > fill, fetched, 0)
            else:
                fetched, after = (np.maximum(bus + x - np.maximum(bus, fill), 0) for x in beside)
            comes = self.loads.comes(loaded, self.first_word)
            first = np.maximum(first, comes + points.beats_per_word + fetched)
        period_fill = np.maximum(fill, bus)
        ring, entries = self.ring, shape.entries
        walk = matrix + points.tokens + 2 + READ_LATENCY
        # If draining is slower than computing, several K loops are in flight, so the tile is
        # released `early` cycles before the last result.
        latency = self.latency
        held = (1 + latency // shape.fetch) * results - latency - shape.fetch + 1
        slow = results > shape.fetch
        early = np.where(slow, np.minimum(held, compute - shape.groups * shape.fetch), 0)
        tail = latency + np.where(slow, shape.fetch + early, shape.drain) + PIPELINE - 1
        # The first row's entries are written before those of other rows need the same room.
        behind = np.maximum(period_fill - entries, 0)
        full0 = np.maximum(first + period_fill, ring.room(entries) + behind) + late
        start0 = latest(walk, full0, ring.newest)
        # The last tile is complete when all are, one after the other; those that find no room
        # wait for the product before, or for the first ones of their own.
        more = shape.tiles - 1
        filled = full0 + more * period_fill + after
        since = more - ring.beside(entries)
        waits = ring.newest + since * period_fill + behind + after
        filled = np.where((more > 0) & (since >= 0), np.maximum(filled, waits), filled)
        since = more - ring.held(entries)
        period = np.maximum(compute, period_fill)
        waits = start0 + compute - early + since * period + behind
        filled = np.where(since >= 0, np.maximum(filled, waits), filled)
        released = np.maximum(start0 + more * compute, np.where(more > 0, filled, 0)) + compute
        released = released - early
        total = shape.tiles * shape.groups * results
        done = latest(
            released + tail,
            start0 + shape.fetch + latency + total + PIPELINE - 1,
            vector + total + PIPELINE + 2,
            # A drain that starts late finds HELD loops' results; the others are still to come.
            vector + (shape.tiles * shape.groups - HELD) * loop + PIPELINE,
        )
        released = np.maximum(released, done - tail)
        begun = np.minimum(start0 + compute - early, released)
        ring.write(entries, shape.tiles, np.where(more > 0, begun, released), released)
        if streamed:
            least = self.zero if loaded is None else loaded + self.load_latency
            end = self.finish(LOAD, np.maximum(filled - 2, least))
            tail = (PREFETCHED * np.maximum(period_fill / beats, 1)).astype(np.int64)
            if loaded is None:
                self.loads.prolong(end, tail)
            else:
                self.loads.add(loaded, words, end, tail)
        self.finish(WEIGHT, filled)
        self.finish(MATRIX, released)
        return self.finish(VECTOR, done)
