"""One walk through a program's descriptors on the timeline of its machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from flows.estimate.cycles.bank_accesses import banks_of, matrix_reads, vector_reads, vector_writes
from flows.estimate.cycles.bank_waits import Given, Others, WaitingStore
from flows.estimate.cycles.geometry import Column, added_row, largest_rows
from flows.estimate.cycles.loads import ASKED
from flows.estimate.cycles.mapped_program import MappedProgram
from flows.estimate.cycles.program_figures import Figures, product_of
from flows.estimate.cycles.program_timeline import ProgramTimeline
from flows.estimate.machine_points import Points
from models.machine.memory import MemoryTiming
from models.machine.units import Unit
from models.program.descriptor import Descriptor
from models.program.layout import LoadTarget, VectorOp, WeightSource

__all__ = ["ProgramWalk"]

TABLES = (LoadTarget.FUNCTION_TABLE, LoadTarget.ROW_TABLE)
QUEUED = 12
"""Descriptors that are fetched beside the first load at most: the queues' room."""


class ProgramWalk:
    """Times of all descriptors of a program, and figures of its layers.

    Parameters
    ----------
    slowdown : float
        Cycles a bus beat takes at least.
    memory : MemoryTiming
        Its latencies.
    beside : sequence of int, optional
        Cycles that fetches of descriptors take of each load, in program order (see
        :meth:`fetches`); otherwise they are guessed.
    """

    def __init__(
        self,
        mapped: MappedProgram,
        slowdown: float,
        memory: MemoryTiming,
        beside: Sequence[int] | None = None,
    ) -> None:
        self.spec, self.program = mapped.spec, mapped.program
        self.points = Points.of([mapped.spec], "xcup")
        self.line = ProgramTimeline(self.points, np.full(1, slowdown), memory)
        self.line.ahead = min(QUEUED, len(self.program))
        self.line.behind = len(self.program) - self.line.ahead
        self.beside = beside
        self.rows = [Figures() for _ in range(len(mapped.layers) + 2)]
        self.ends = [0] * len(self.rows)
        self.tokens: dict[tuple[Unit, Unit], deque[Given]] = {}
        self.reads, self.writes = Others(buffered=True), Others(buffered=False)
        self.store: WaitingStore | None = None
        self.brought = np.zeros(1, dtype=np.int64)
        self.pending: list[Descriptor] = []

    def run(self) -> list[Figures]:
        """Walk all descriptors; returns the figures of every tag."""
        for one in self.program:
            self.rows[one.tag].count()
            self._descriptor(one, self.rows[one.tag])
        self._settle()
        self.line.last()
        self.ends[-1] = int(self.line.end[0])
        front = np.maximum.accumulate([0, *self.ends])
        for figures, cycles in zip(self.rows, np.diff(front).tolist(), strict=True):
            figures.cycles = cycles
        return self.rows

    def fetches(self) -> list[int]:
        """Cycles that fetches of descriptors took of each load.

        A fetch comes between the bursts of a load if it is asked for before the last of them.
        """
        asks = np.array([int(one[0]) for one in self.line.fetches.asks])
        size = int(self.line.fetch[0])
        latency = self.line.load_latency - ASKED
        found, asked, ended = [], 0, 0
        for first, last, end in self.line.loads.spans:
            start, taken = int(first[0]), 0
            for ask in asks[np.searchsorted(asks, asked) :]:
                if ask > last[0]:
                    break
                if ask < start:  # on the bus before the load, perhaps behind the load before
                    ended = max(int(ask) + latency, ended) + size
                    late = ended - max(start + latency, ended - size)
                    taken += min(size, max(0, late))
                else:
                    taken += size
            found.append(taken)
            asked, ended = int(last[0]) + 1, int(end[0])
        return found

    def _descriptor(self, one: Descriptor, figures: Figures) -> None:
        fields = one.fields
        match one.unit:
            case Unit.LOAD if fields["target"] == LoadTarget.WEIGHTS:
                self.brought = np.array([fields["beats"]]) // self.points.beats_per_word
                figures.weights(fields["beats"], self.points)
            case Unit.LOAD:
                self._load(one)
                figures.load(fields["beats"], self.points)
            case Unit.WEIGHT | Unit.MATRIX:
                self.pending.append(one)
            case Unit.VECTOR if fields["op"] == VectorOp.DRAIN:
                self._product(one, figures)
            case Unit.VECTOR:
                self._vector(one, figures)
            case Unit.STORE:
                self._store(one)
                figures.store(fields["words"], self.points)

    def _load(self, one: Descriptor) -> None:
        size = one.fields["beats"] * self.spec.axi_bytes
        entries = size // 2 if one.fields["target"] in TABLES else 0
        beats = np.array([one.fields["beats"]])
        end = self.line.load(beats, *self._waits(one), entries=entries, beside=self._beside())
        cycles = int(np.ceil(beats * self.line.slowdown)[0])
        if one.fields["target"] == LoadTarget.SCRATCHPAD:
            words = one.fields["beats"] // int(self.points.beats_per_word[0])
            banks = banks_of(self.spec, one.fields["address"], words)
            delayed = self.writes.delayed(int(self.line.comes[0]), cycles, banks)
            end = self.line.finish(Unit.LOAD, np.maximum(end, delayed))
        self._done(one, end)

    def _beside(self) -> Column | None:
        """Cycles that fetches take of the next load, if they are known."""
        return None if self.beside is None else np.array([self.beside[len(self.line.loads.spans)]])

    def _store(self, one: Descriptor) -> None:
        self._settle()
        given, words = Given(), one.fields["words"]
        start = self.line.begin(Unit.STORE, *self._waits(one))
        cycles, latency = self.line.store_cycles(np.array([words]))
        self.store = WaitingStore(
            given=given, tag=one.tag, start=int(start[0]), cycles=int(cycles[0]),
            latency=int(latency[0]), banks=banks_of(self.spec, one.fields["address"], words),
        )  # fmt: skip
        self._give(one, given)

    def _settle(self) -> None:
        """Find the end of the last store, of all that read meanwhile is known."""
        if self.store is not None:
            end = self.store.end(self.reads)
            self.store.given.time = self.line.finish(Unit.STORE, np.array([end]))
            self.ends[self.store.tag] = max(self.ends[self.store.tag], end)
            self.store = None

    def _product(self, drain: Descriptor, figures: Figures) -> None:
        """Weights, matrix and drain together; the load of weights before them if there is one."""
        weight, matrix = self.pending
        self.pending = []
        streamed = weight.fields["source"] == WeightSource.STREAM
        shape = product_of(self.points, weight, matrix)
        line, brings = self.line, self.brought
        beside = None
        if brings.any():
            bus = shape.stream * self.points.beats_per_word * line.slowdown
            slow = bus >= np.maximum(shape.groups * shape.fetch, shape.fill)
            together = int(np.where(slow, shape.tiles, np.minimum(shape.tiles, 2))[0])
            taken = self._beside()
            if taken is not None:
                first = taken if slow[0] else taken // together
                beside = (first, taken - first)
        line.product(
            shape,
            streamed=streamed,
            weights=self._waits(weight),
            acts=self._waits(matrix),
            drain=self._waits(drain),
            brings=brings,
            beside=beside,
        )
        self.brought = np.zeros(1, dtype=np.int64)
        for one in (weight, matrix, drain):
            self._done(one, line.free[one.unit])
        figures.product(shape, streamed=streamed)
        # Without its drain a product soon stops.
        start = np.maximum(line.starts[Unit.MATRIX][-1], line.starts[Unit.VECTOR][-1])
        walk, tiles = matrix.fields, weight.fields["tiles"]
        self.reads.add(start, line.free[Unit.MATRIX], lambda: tiles * matrix_reads(self.spec, walk))
        beats = int((shape.tiles * shape.groups * shape.drain)[0])
        begin = line.starts[Unit.VECTOR][-1]
        self._writes(drain, begin, 0 if drain.fields["keep_sums"] else beats)

    def _vector(self, one: Descriptor, figures: Figures) -> None:
        fields, points, line = one.fields, self.points, self.line
        beats = -(-fields["channels"] // points.vector_lanes)
        rows, waits = fields["rows"], self._waits(one)
        match fields["op"]:
            case VectorOp.LAYER_NORM:
                cycles, end = 2 * rows * beats, line.passes(rows, beats, 2, *waits)
            case VectorOp.SOFTMAX:
                cycles, end = 3 * rows * beats, line.passes(rows, beats, 3, *waits)
            case VectorOp.MAX_POOL:
                taps = fields["kernel_y"] * fields["kernel_x"]
                cycles = largest_rows(
                    points, rows, taps, fields["channels"], 8 << fields["wide_in"]
                )
                end = line.vector(cycles, *waits)
            case VectorOp.AVERAGE_POOL:
                cycles = rows * fields["kernel_y"] * fields["kernel_x"] * beats
                end = line.vector(cycles, *waits)
            case VectorOp.ADD:
                cycles = rows * added_row(points, fields["channels"], 8 << fields["wide_in"])
                end = line.vector(cycles + 1, *waits)
            case _:
                cycles = rows * beats
                end = line.vector(cycles, *waits)
        self._done(one, end)
        figures.vector(int(cycles[0]))
        start = line.starts[Unit.VECTOR][-1]
        self.reads.add(start, start + cycles, lambda: vector_reads(self.spec, fields))
        self._writes(one, end - cycles, rows * int(beats[0]))

    def _writes(self, one: Descriptor, start: Column, beats: int) -> None:
        """Note the results of a vector descriptor: each beat is a write."""
        end = self.line.free[Unit.VECTOR]
        self.writes.add_in_order(start, end, vector_writes(self.spec, one.fields, beats))

    # Tokens: every one is given once and taken once, in program order.

    def _waits(self, one: Descriptor) -> list[Column]:
        """Times at which the tokens of a descriptor are given."""
        times = []
        for giver in Unit:
            if giver is Unit.END or not one.wait >> giver & 1:
                continue
            given = self.tokens[giver, one.unit].popleft()
            if given.time is None:
                self._settle()
            assert given.time is not None
            times.append(given.time)
        return times

    def _done(self, one: Descriptor, end: Column) -> None:
        """Mark a descriptor as done, and give its tokens."""
        self.ends[one.tag] = max(self.ends[one.tag], int(end[0]))
        self._give(one, Given(end))

    def _give(self, one: Descriptor, given: Given) -> None:
        for taker in Unit:
            if taker is not Unit.END and one.signal >> taker & 1:
                self.tokens.setdefault((one.unit, taker), deque()).append(given)
