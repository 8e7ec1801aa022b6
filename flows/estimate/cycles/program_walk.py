"""Cycles of a program that a network was mapped to, descriptor by descriptor.

Layers in strips or in parts of K are many products, loads and stores whose tokens order them: their
times are taken from the program itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from flows.estimate.cycles.cycle_estimate import NEEDS, CycleEstimate
from flows.estimate.cycles.geometry import Column, dynamic_rows
from flows.estimate.cycles.mapped_program import MappedProgram
from flows.estimate.cycles.program_figures import Figures, product_of
from flows.estimate.cycles.timeline import Timeline
from flows.estimate.machine_points import Points
from models.machine.units import Unit
from models.program.descriptor import Descriptor
from models.program.layout import LoadTarget, VectorOp, WeightSource

__all__ = ["program_cycles"]

TABLES = (LoadTarget.FUNCTION_TABLE, LoadTarget.ROW_TABLE)
WINDOWS = 12
"""Descriptors that are fetched beside the first load at most: the queues' room."""


def program_cycles(mapped: MappedProgram, bytes_per_cycle: float | None = None) -> CycleEstimate:
    """Estimate a mapped network on its machine.

    Parameters
    ----------
    bytes_per_cycle : float, optional
        What memory yields, if that is less than the bus takes.

    Returns
    -------
    CycleEstimate
        Of one machine. It needs nothing that the machine has not: the mapper has seen to that.
    """
    points = Points.of([mapped.spec], "xcup")
    width = mapped.spec.axi_bytes
    rate = width if bytes_per_cycle is None else min(width, bytes_per_cycle)
    walk = _Walk(points, mapped.program, width / rate)
    names = ("input", *(layer.name for layer in mapped.layers), "output")
    rows = walk.run(len(names))
    for figures, layer in zip(rows[1:], mapped.layers, strict=False):
        figures.macs = layer.macs

    def table(values: Sequence[int]) -> Column:
        return np.array([values], dtype=np.int64)

    seen = [figures.bound(mapped.spec, width / rate) for figures in rows]
    none = np.zeros(1, dtype=np.int64)
    has = (points.depth, points.banks * points.bank_words, points.param_entries,
           dynamic_rows(points))  # fmt: skip
    return CycleEstimate(
        names=names,
        cycles=table([one.cycles for one in rows]),
        busy=table([busy for _, busy in seen]),
        read_bytes=table([one.read_bytes for one in rows]),
        written_bytes=table([one.written_bytes for one in rows]),
        bound=table([bound for bound, _ in seen]).astype(np.int8),
        needs=dict.fromkeys(NEEDS, none),
        has=dict(zip(NEEDS, has, strict=True)),
    )


class _Walk:
    def __init__(self, points: Points, program: Sequence[Descriptor], slowdown: float) -> None:
        self.points, self.program = points, program
        self.line = Timeline(points, np.full(1, slowdown))
        self.line.ahead = min(WINDOWS, len(program))
        self.line.behind = len(program) - self.line.ahead
        self.tokens: dict[tuple[Unit, Unit], deque[Column]] = {}
        self.brought = np.zeros(1, dtype=np.int64)
        self.pending: list[Descriptor] = []

    def run(self, tags: int) -> list[Figures]:
        """Walk all descriptors; returns the figures of every tag, cycles of delay among them."""
        rows = [Figures() for _ in range(tags)]
        front, at = 0, 0
        for one in self.program:
            if one.tag != at:
                end = int(self.line.end[0])
                rows[at].cycles, front, at = rows[at].cycles + end - front, end, one.tag
            self._descriptor(one, rows[at])
        self.line.last()
        rows[at].cycles += int(self.line.end[0]) - front
        return rows

    def _descriptor(self, one: Descriptor, figures: Figures) -> None:
        figures.count()
        fields = one.fields
        match one.unit:
            case Unit.LOAD if fields["target"] == LoadTarget.WEIGHTS:
                self.brought = np.array([fields["beats"]]) // self.points.beats_per_word
                figures.weights(fields["beats"], self.points)
            case Unit.LOAD:
                size = fields["beats"] * int(self.points.axi_width[0]) // 8
                entries = size // 2 if fields["target"] in TABLES else 0
                beats = np.array([fields["beats"]])
                self._done(one, self.line.load(beats, *self._waits(one), entries=entries))
                figures.load(fields["beats"], self.points)
            case Unit.WEIGHT | Unit.MATRIX:
                self.pending.append(one)
            case Unit.VECTOR if fields["op"] == VectorOp.DRAIN:
                self._product(one, figures)
            case Unit.VECTOR:
                self._vector(one, figures)
            case Unit.STORE:
                words = np.array([fields["words"]])
                self._done(one, self.line.store(words, *self._waits(one)))
                figures.store(fields["words"], self.points)

    def _product(self, drain: Descriptor, figures: Figures) -> None:
        """Weights, matrix and drain together; the load of weights before them if there is one."""
        weight, matrix = self.pending
        self.pending = []
        streamed = weight.fields["source"] == WeightSource.STREAM
        shape = product_of(self.points, weight, matrix)
        self.line.product(
            shape,
            streamed=streamed,
            weights=self._waits(weight),
            acts=self._waits(matrix),
            drain=self._waits(drain),
            brings=self.brought,
        )
        self.brought = np.zeros(1, dtype=np.int64)
        for one in (weight, matrix, drain):
            self._done(one, self.line.free[one.unit])
        figures.product(shape, streamed=streamed)

    def _vector(self, one: Descriptor, figures: Figures) -> None:
        fields, points, line = one.fields, self.points, self.line
        beats = -(-fields["channels"] // points.vector_lanes)
        rows, waits = fields["rows"], self._waits(one)
        match fields["op"]:
            case VectorOp.LAYER_NORM:
                cycles, end = 2 * rows * beats, line.passes(rows, beats, 2, *waits)
            case VectorOp.SOFTMAX:
                cycles, end = 3 * rows * beats, line.passes(rows, beats, 3, *waits)
            case VectorOp.MAX_POOL | VectorOp.AVERAGE_POOL:
                cycles = rows * fields["kernel_y"] * fields["kernel_x"] * beats
                end = line.vector(cycles, *waits)
            case VectorOp.ADD:
                words = -(-fields["channels"] * (1 + fields["wide_in"]) // points.word_bytes)
                cycles = rows * np.maximum(beats, 2 * words)
                end = line.vector(cycles + 1, *waits)
            case _:
                cycles = rows * beats
                end = line.vector(cycles, *waits)
        self._done(one, end)
        figures.vector(int(cycles[0]))

    # Tokens: every one is given once and taken once, in program order.

    def _waits(self, one: Descriptor) -> list[Column]:
        """Times at which the tokens of a descriptor are given."""
        givers = [unit for unit in Unit if unit is not Unit.END and one.wait >> unit & 1]
        return [self.tokens[giver, one.unit].popleft() for giver in givers]

    def _done(self, one: Descriptor, end: Column) -> None:
        """Give a descriptor's tokens."""
        for taker in Unit:
            if taker is not Unit.END and one.signal >> taker & 1:
                self.tokens.setdefault((one.unit, taker), deque()).append(end)
