"""One pass over a network's layers, on the timeline of many machines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flows.estimate.cycles.cycle_estimate import BOUNDS, NEEDS, CycleEstimate
from flows.estimate.cycles.geometry import (
    Column,
    ProductShape,
    added_row,
    ceil,
    dynamic_rows,
    largest_rows,
    words_of,
)
from flows.estimate.cycles.grouped_shape import pass_shapes, reach
from flows.estimate.cycles.machine_layer import INPUT, Layer, Table, Work
from flows.estimate.cycles.ring import Ring
from flows.estimate.cycles.slowdown import slowdown_of
from flows.estimate.cycles.timeline import DESCRIPTOR_BITS, VECTOR, Timeline
from flows.estimate.machine_points import Points
from models.machine.memory import MemoryTiming
from models.program.layout import PARAM_BYTES

__all__ = ["Walk"]

ARRAY, PARTS, DRAIN, STREAM, WRITES, OPERATOR, MEMORY, NOTHING = range(len(BOUNDS))


class Walk:
    """Input, layers, output; see :func:`flows.estimate.cycles.cycles.estimate_cycles`."""

    def __init__(
        self,
        points: Points,
        layers: Sequence[Layer],
        bytes_per_cycle: float | None,
        memory: MemoryTiming,
    ) -> None:
        self.points, self.layers = points, layers
        self.slowdown = slowdown_of(points.axi_width // 8, bytes_per_cycle, memory)
        self.line = Timeline(points, self.slowdown, memory)
        self.zero = np.zeros(len(points), dtype=np.int64)
        self.ends: dict[int, Column] = {}
        self.tables: set[tuple[object, bool]] = set()
        self.shapes: dict[object, list[ProductShape]] = {}
        self.needs = dict.fromkeys(NEEDS, self.zero)
        self.read, self.written, self.busy = self.zero, self.zero, self.zero
        self.bound = self.zero
        self.params, self.orders = Ring(points.param_entries), Ring(points.param_entries)

    def run(self, *, whole: bool = False) -> CycleEstimate:
        """Walk input, layers, output; ``whole``: add them up."""
        rows: list[tuple[Column, ...]] = []
        front = self.zero

        def close() -> None:
            nonlocal front
            rows.append((self.line.end - front, self.busy, self.read, self.written, self.bound))
            front = self.line.end
            self.busy, self.read, self.written = self.zero, self.zero, self.zero

        self._input()
        close()
        for index, layer in enumerate(self.layers):
            self.bound = np.full(len(self.points), NOTHING)
            self._layer(index, layer)
            close()
        self._output()
        close()
        # Layer by layer, as they were made: machines first would cost a transposition.
        table = [np.stack(column).T for column in zip(*rows, strict=True)]
        names = ("input", *(layer.name for layer in self.layers), "output")
        if whole:
            most = table[0].argmax(axis=1)
            bound = table[4][np.arange(len(self.points)), most, None]
            table = [*(column.sum(axis=1, keepdims=True) for column in table[:4]), bound]
            names = ("network",)
        points = self.points
        has = (
            points.depth, points.banks * points.bank_words, points.param_entries,
            dynamic_rows(points),
        )  # fmt: skip
        return CycleEstimate(
            names=names,
            cycles=table[0],
            busy=table[1],
            read_bytes=table[2],
            written_bytes=table[3],
            bound=table[4].astype(np.int8),
            needs=self.needs,
            has=dict(zip(NEEDS, has, strict=True)),
        )

    # Memory

    def _load(self, size: Column, *waits: Column, entries: int = 0) -> Column:
        """Load ``size`` bytes; returns the end of the load."""
        beats = ceil(size, self.points.axi_width // 8)
        self.read = self.read + size + DESCRIPTOR_BITS // 8
        return self.line.load(beats, *waits, entries=entries)

    def _params(self, channels: Column | int, reach: Column | int) -> Column:
        """Load parameters, once the entries they need are no longer in use."""
        free = self.params.take(self.zero + reach)
        return self._load(self.zero + PARAM_BYTES * channels, free)

    def _tables(self, tables: Sequence[Table]) -> list[Column]:
        """Bring tables in that are not there yet."""
        ends = []
        for table in tables:
            if (table.key, table.row) not in self.tables:
                self.tables.add((table.key, table.row))
                ends.append(self._load(self.zero + 2 * table.entries, entries=table.entries))
        return ends

    def _input(self) -> None:
        first = next((x for x in self.layers if INPUT in x.sources), None)
        self.bound = np.full(len(self.points), MEMORY)
        if first is None:
            self.ends[INPUT] = self.zero
            return
        words = self._read_words(first)
        rows = self.zero + (first.rows_in or first.positions)
        if first.stem:
            lanes = self.points.lanes
            packed = first.taps * ceil(first.channels, lanes)
            small = ceil(first.taps * first.channels, lanes) < packed
            patch = words_of(self.points, first.taps * first.channels)
            words = np.where(small, patch, words)
            rows = np.where(small, first.positions, rows)
        size = words * rows * self.points.beats_per_word * (self.points.axi_width // 8)
        # Beside it the queues fill, as far as the program goes; then come store and end.
        count = 2 + sum(map(self._descriptors, self.layers))
        self.line.ahead = min(12, count)
        self.line.behind = count - self.line.ahead
        self.ends[INPUT] = self._load(size)
        self.busy = ceil(size * 8, self.points.axi_width)

    def _output(self) -> None:
        last = self.layers[-1]
        words = self._made_words(last) * last.positions
        self.bound = np.full(len(self.points), MEMORY)
        self.written = words * self.points.beats_per_word * (self.points.axi_width // 8)
        self.read = self.zero + DESCRIPTOR_BITS // 8
        self.busy = words * self.points.beats_per_word
        self.line.store(words, self.ends[len(self.layers) - 1])
        self.line.last()

    def _descriptors(self, layer: Layer) -> int:
        """Descriptors of a layer."""
        passes = len(self._shapes(layer)) if layer.work is Work.PRODUCT else 0
        count = {
            Work.VIEW: 0, Work.PRODUCT: 1 + 3 * passes, Work.SCORES: 3 * layer.heads + 1,
            Work.CONTEXT: 3 * layer.heads + 1, Work.NORM: 2, Work.POOL: len(layer.windows),
            Work.MAX_POOL: len(layer.windows),
        }.get(layer.work, 1)  # fmt: skip
        return count + len(layer.tables)

    # Layers

    def _layer(self, index: int, layer: Layer) -> None:
        sources = [self.ends[source] for source in layer.sources]
        match layer.work:
            case Work.VIEW:
                self.ends[index] = np.maximum.reduce(sources)
            case Work.CONSTANT:
                words = self._made_words(layer) * layer.positions
                size = words * self.points.beats_per_word * (self.points.axi_width // 8)
                self.ends[index] = self._load(size)
                self.bound = np.full(len(self.points), MEMORY)
            case Work.PRODUCT:
                self.ends[index] = self._product(layer, sources)
            case Work.SCORES | Work.CONTEXT:
                self.ends[index] = self._attention(layer, sources)
            case _:
                self.ends[index] = self._vector(layer, sources)
        self._check(layer)

    def _check(self, layer: Layer) -> None:
        read = self._read_words(layer)
        made = self._made_words(layer)
        rows = layer.rows_in or layer.positions
        if layer.work is Work.SCORES:
            rows //= layer.heads
        if layer.work is Work.VIEW or layer.stem:
            rows = 0
        self._need("banks * bank_words", read * rows + made * layer.positions)

    def _need(self, name: str, least: Column) -> None:
        self.needs[name] = np.maximum(self.needs[name], least)

    def _read_words(self, layer: Layer) -> Column:
        """Words of a row of the first tensor that is read."""
        if layer.work is Work.SCORES:
            return words_of(self.points, layer.channels * layer.heads, heads=layer.heads)
        return words_of(self.points, layer.channels, layer.bits_in, layer.in_heads)

    def _made_words(self, layer: Layer) -> Column:
        """Words of a row of results."""
        return words_of(self.points, layer.outputs, layer.bits_out, layer.out_heads)

    def _shapes(self, layer: Layer) -> list[ProductShape]:
        """Passes of a product; identical layers are worked out once."""
        key = (
            layer.work, layer.positions, layer.channels, layer.outputs, layer.taps, layer.heads,
            layer.in_heads, layer.out_heads, layer.bits_out, layer.stem, layer.tiles,
            layer.groups, layer.pass_tiles,
        )  # fmt: skip
        if key not in self.shapes:
            self.shapes[key] = pass_shapes(self.points, layer)
        return self.shapes[key]

    def _product(self, layer: Layer, sources: list[Column]) -> Column:
        shapes = self._shapes(layer)
        entries = reach(self.points, shapes)
        self._need("param_entries", entries)
        params = self._params(self.zero + sum(shape.columns for shape in shapes), entries)
        waits = [params, *self._tables(layer.tables)]
        if layer.order and self.points.scatter.any():
            waits.append(self._order(self.zero + sum(shape.tiles for shape in shapes)))
        words = self.zero + sum(shape.tiles * shape.stream for shape in shapes)
        end, brings = self.zero, words
        for shape in shapes:
            end = self.line.product(
                shape, streamed=True, weights=(), acts=sources, drain=waits, brings=brings
            )
            brings = self.zero
        self.params.close(end)
        self.orders.close(end)
        width = self.points.axi_width // 8
        self.read = self.read + (1 + 3 * len(shapes)) * DESCRIPTOR_BITS // 8
        self.read = self.read + words * self.points.beats_per_word * width
        self._bound(layer, shapes, 1, streamed=True)
        return end

    def _order(self, tiles: Column) -> Column:
        """Row order of machines with several classes."""
        beats = tiles * (self.points.rows // self.points.vector_lanes)
        size = beats * self.points.beats_per_word * (self.points.axi_width // 8)
        free = self.orders.take(beats)
        return self._load(np.where(self.points.scatter, size, 0), free)

    def _attention(self, layer: Layer, sources: list[Column]) -> Column:
        self._need("rows for activations", self.points.vector_lanes)
        (shape,) = self._shapes(layer)
        acts, weights = (sources[0], sources[1])
        end = self.zero
        tables: list[Column] = []
        for head in range(layer.heads):
            if not head:
                tables = [self._params(self.points.vector_lanes, 1), *self._tables(layer.tables)]
            end = self.line.product(
                shape,
                streamed=False,
                weights=(weights,),
                acts=(acts,),
                drain=tables,
            )
        self.params.close(end)
        self.read = self.read + 3 * layer.heads * DESCRIPTOR_BITS // 8
        self._bound(layer, [shape], layer.heads, streamed=False)
        return end

    def _bound(
        self, layer: Layer, shapes: list[ProductShape], heads: int, *, streamed: bool
    ) -> None:
        points = self.points
        ideal = layer.macs / points.macs_per_cycle
        beats, fetch, drain, writes, words = (self.zero,) * 5
        for shape in shapes:
            loops = heads * shape.tiles * shape.groups
            beats = beats + loops * shape.entries
            fetch = fetch + loops * shape.fetch
            drain = drain + loops * shape.drain
            writes = writes + heads * shape.tiles * shape.fill
            words = words + shape.tiles * shape.stream
            self._need("depth", shape.entries * points.lanes)
        bus = np.ceil(words * points.beats_per_word * self.slowdown)
        bus = bus.astype(np.int64) if streamed else self.zero
        parts = np.maximum(beats, fetch)
        every = np.stack([parts, drain, bus, writes])
        self.busy = every.max(axis=0)
        kinds = np.array([ARRAY, DRAIN, STREAM, WRITES])[every.argmax(axis=0)]
        self.bound = np.where((kinds == ARRAY) & (parts > 1.25 * ideal), PARTS, kinds)

    def _vector(self, layer: Layer, sources: list[Column]) -> Column:
        points, line = self.points, self.line
        beats = ceil(layer.outputs, points.vector_lanes) + self.zero
        waits = list(sources)
        before = line.free[VECTOR]
        if layer.work is Work.NORM:
            waits.append(self._params(layer.outputs, beats))
        waits += self._tables(layer.tables)
        match layer.work:
            case Work.NORM:
                end = line.passes(layer.positions, beats, 2, *waits)
                self.busy = 2 * layer.positions * beats
            case Work.SOFTMAX:
                end = line.passes(layer.positions, beats, 3, *waits)
                self.busy = 3 * layer.positions * beats
            case Work.POOL:
                end = before
                for rows, taps in layer.windows:
                    end = line.vector(rows * taps * beats, *waits)
                    self.busy = self.busy + rows * taps * beats
            case Work.MAX_POOL:
                end = before
                for rows, taps in layer.windows:
                    cycles = largest_rows(points, rows, taps, layer.outputs, layer.bits_in)
                    end = line.vector(cycles, *waits)
                    self.busy = self.busy + cycles
            case Work.ADD:
                self.busy = layer.positions * added_row(points, layer.outputs, layer.bits_in)
                end = line.vector(self.busy + 1, *waits)
            case _:
                self.busy = layer.positions * beats
                end = line.vector(self.busy, *waits)
        self.params.close(end)
        self.read = self.read + max(1, len(layer.windows)) * DESCRIPTOR_BITS // 8
        self.bound = np.full(len(points), OPERATOR)
        return end
