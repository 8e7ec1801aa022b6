"""Emits a layer whose K is computed in parts: sums wait on chip between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from flows.mapper.cut import Cut, lane_order
from flows.mapper.emitter import Access, Emitter, pitched
from flows.mapper.k_parts import k_parts, turns
from flows.mapper.matrix_ops import Drain, drain_results, multiply
from flows.mapper.place import MappingError, Place
from flows.mapper.static_weights import stream_bytes, weight_codes, weight_stream
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.numerics.rescale import Integers
from models.ops.convolution import Convolution
from models.ops.requantize import Requantize
from models.program.layout import WeightSource

__all__ = ["PartLayer", "check_sums"]


@dataclass(frozen=True, kw_only=True)
class PartLayer:
    """What all passes of a layer in parts share.

    Attributes
    ----------
    shape : lines and width of the result
    walk, offset : fields of its matrix descriptors, and its address offset from padding
    tables : fields and access of the function table
    """

    op: Convolution
    source: Place
    target: Place
    shape: tuple[int, int]
    walk: dict[str, int]
    offset: int
    requantize: Requantize
    tables: tuple[dict[str, int], list[Access]]

    def emit(self, out: Emitter, cut: Cut, target: Place, drain: Drain, rows: Integers) -> int:
        """Emit one pass; return its beats of the array.

        Parameters
        ----------
        target, drain : where the pass' results go, and all its tiles
        rows : channel of every row ``[tiles, rows]``; -1 for an idle one
        """
        spec = out.spec
        tall, wide = self.shape
        kernel = (self.op.weights.shape[1], self.op.weights.shape[2])
        parts = k_parts(spec, kernel, cut)
        per_tile = spec.rows // spec.vector_lanes
        # Results of so many tiles fill whole words; with a row order every beat has its word.
        per_word = spec.word_bytes * 8 // target.bits
        together = 1 if spec.scatter else int(np.lcm(spec.rows, per_word)) // spec.rows
        beats = 0
        for turn in turns(spec, drain.plan.tiles, together, tall, wide):
            count = turn.tiles.stop - turn.tiles.start
            first, last = turn.lines
            done = turn.tiles.start * spec.rows
            channels = min(drain.channels - done, count * spec.rows)
            step = turn.tiles.start * per_tile
            own = replace(
                drain,
                plan=replace(
                    drain.plan,
                    tiles=count,
                    columns=drain.plan.columns[turn.tiles],
                    order=_orders(spec, drain.plan.order, turn.tiles, per_tile),
                ),
                channels=channels,
                rows=(last - first) * wide,
                entry=drain.entry + step,
                params=channels,
                order=drain.order + step if spec.scatter else 0,
            )
            lines = target.part(first * wide, last * wide)
            words = 0 if spec.scatter else done // per_word
            lines = replace(lines, base=lines.base + words)
            walk, below = turn.walk(self.walk, wide)
            for index, part in enumerate(parts):
                size = -(-stream_bytes(spec, count, part.entries) // spec.word_bytes)
                out.load_weights(
                    size * spec.word_pitch,
                    self._weights(spec, cut, part.weights, kernel, rows[turn.tiles]),
                )
                fields = {"source": WeightSource.STREAM, "tiles": count, "entries": part.entries}
                out.add(Unit.WEIGHT, fields, ())
                walked, inside = part.walk(walk)
                multiply(out, walked, self.source, self.offset + cut.word + below + inside)
                drain_results(
                    out, spec, self.requantize, lines, own, self.tables, whole=self.target,
                    keeps=index < len(parts) - 1, takes=index > 0,
                )  # fmt: skip
                beats += count * -(-own.rows // spec.tokens) * part.entries
        return beats

    def _weights(
        self,
        spec: MachineSpec,
        cut: Cut,
        part: Callable[[MachineSpec, Integers, tuple[int, int]], Integers],
        kernel: tuple[int, int],
        rows: Integers,
    ) -> Callable[[], bytes]:
        def make() -> bytes:
            weights = part(spec, lane_order(spec, self.op, self.source, cut), kernel)
            first = cut.start if self.op.groups > 1 else 0
            codes = weight_codes(spec, weights, np.where(rows < 0, rows, rows - first))
            return pitched(spec, weight_stream(spec, codes))

        return make


WEIGHT_MOST = 128
"""Largest magnitude of a weight."""


def check_sums(spec: MachineSpec, op: Convolution, requantize: Requantize) -> None:
    """Check that sums of parts of K fit their memory.

    Raises
    ------
    MappingError
        If one may exceed 32 bits.
    """
    codes = 1 << spec.act_width - 1
    bias = int(np.abs(requantize.bias).max(initial=0))
    if op.weights[0].size * WEIGHT_MOST * codes + bias < 1 << 31:
        return  # whatever the weights: they are not looked at in every strip
    sums = np.abs(op.weights).sum(axis=(1, 2, 3)) * codes + np.abs(requantize.bias)
    if sums.max() >= 1 << 31:
        raise MappingError("sums of a layer whose K is computed in parts must fit 32 bits")


def _orders(spec: MachineSpec, order: bytes, tiles: slice, per_tile: int) -> bytes:
    """Return the row order's entries of some tiles."""
    size = per_tile * spec.word_bytes
    return order[tiles.start * size : tiles.stop * size]
