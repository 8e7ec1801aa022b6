"""Figures of a layer's descriptors: bytes, cycles of each unit's own work, what bounds it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flows.estimate.cycles.cycle_estimate import BOUNDS
from flows.estimate.cycles.geometry import ProductShape, ceil, dynamic_rows, row_groups
from flows.estimate.machine_points import Points
from models.machine.spec import MachineSpec
from models.program.descriptor import Descriptor
from models.program.layout import DESCRIPTOR_BYTES, WeightSource

__all__ = ["Figures", "product_of"]

PARTS_FROM = 1.25
"""Ratio of the array's beats to the network's products from which its parts are told."""


def product_of(points: Points, weight: Descriptor, matrix: Descriptor) -> ProductShape:
    """Columns of a product on one machine, from its descriptors of weights and of the walk."""
    walk, tiles = matrix.fields, weight.fields
    source, entries = tiles["source"], np.array([tiles["entries"]])
    static = source == WeightSource.STREAM
    rows = points.rows if static else dynamic_rows(points)
    fill = rows * entries
    stream = 0 * rows
    if static:
        grouped = row_groups(points) * entries
        fill = np.where(points.with_classes, grouped, fill)
        stream = np.where(points.with_classes, grouped, ceil(rows * entries, points.tokens))
    elif source == WeightSource.TRANSPOSED:
        fill = entries * (points.lanes + rows)
    taps = walk["kernel_y"] * walk["kernel_x"]
    return ProductShape(
        tiles=np.array([tiles["tiles"]]),
        groups=ceil(walk["tokens"], points.tokens),
        entries=entries,
        fetch=taps * walk["words"] * points.tokens,
        drain=points.tokens * rows // points.vector_lanes,
        fill=fill,
        stream=stream,
        columns=tiles["tiles"] * rows,
    )


@dataclass(kw_only=True)
class Figures:
    """Sums over a layer's descriptors on one machine.

    Attributes
    ----------
    cycles : delay of the end
    macs : multiply-accumulates of the network
    array, drain, writes, operator, weight_beats, load_beats, store_beats : int
        Cycles of own work: of the array, of results that leave it, of tile writes, of the vector
        unit alone, and beats of the bus.
    """

    cycles: int = 0
    macs: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    array: int = 0
    drain: int = 0
    writes: int = 0
    operator: int = 0
    weight_beats: int = 0
    load_beats: int = 0
    store_beats: int = 0

    def count(self) -> None:
        """Add the fetch of a descriptor."""
        self.read_bytes += DESCRIPTOR_BYTES

    def load(self, beats: int, points: Points) -> None:
        """Add a load."""
        self.load_beats += beats
        self.read_bytes += beats * int(points.axi_width[0]) // 8

    def weights(self, beats: int, points: Points) -> None:
        """Add a load of weights."""
        self.weight_beats += beats
        self.read_bytes += beats * int(points.axi_width[0]) // 8

    def store(self, words: int, points: Points) -> None:
        """Add a store."""
        beats = words * int(points.beats_per_word[0])
        self.store_beats += beats
        self.written_bytes += beats * int(points.axi_width[0]) // 8

    def vector(self, cycles: int) -> None:
        """Add an operator of the vector unit."""
        self.operator += cycles

    def product(self, shape: ProductShape, *, streamed: bool) -> None:
        """Add a product."""
        loops = int((shape.tiles * shape.groups)[0])
        self.array += loops * int(np.maximum(shape.entries, shape.fetch)[0])
        self.drain += loops * int(shape.drain[0])
        self.writes += int((shape.tiles * shape.fill)[0])

    def bound(self, spec: MachineSpec, slowdown: float) -> tuple[int, int]:
        """Index of what bounds the layer (see :data:`BOUNDS`), and cycles of that work."""
        reads = self.weight_beats + self.load_beats
        weights = self.weight_beats > self.load_beats
        full = self.array > PARTS_FROM * self.macs / spec.macs_per_cycle
        every = {
            "array (part-filled tiles or words)" if full else "array": self.array,
            "vector (drain)": self.drain,
            "weights (bandwidth)" if weights else "memory (bandwidth)": int(
                np.ceil(reads * slowdown)
            ),
            "weights (tile writes)": self.writes,
            "vector": self.operator,
            "nothing": 0,
        }
        if self.store_beats > reads:
            every["memory (bandwidth)"] = int(np.ceil(self.store_beats * slowdown))
        name = max(every, key=every.__getitem__) if any(every.values()) else "nothing"
        return BOUNDS.index(name), every[name]
