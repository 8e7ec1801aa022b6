"""Machines of a search as columns: all combinations of the choices below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycles.cycles import CycleEstimate
from flows.estimate.cycles.grouped_shape import param_entries, pass_shapes
from flows.estimate.cycles.machine_layer import Layer, Work
from flows.estimate.machine_points import FORMAT_NAMES, SCALARS, Points, bit_length
from flows.search.lifetimes import live_words
from flows.search.precisions import Mixture
from models.formats.row_classes import RowClass
from models.machine.rules import DEPTH_MAX, SCRATCHPAD_WORDS_MAX
from models.machine.spec import MachineSpec

__all__ = ["candidates", "complete", "spec_of", "with_act_bits", "with_entries"]

LANES = (4, 8, 12, 16, 24, 32)
TOKENS = (1, 2, 3, 4, 6, 8, 12, 16)
VECTOR_LANES = (2, 4, 8, 16, 32, 64)
MOST_ROWS, MOST_TURNS = 256, 16
"""Largest number of rows, and of vector beats that drain one token's results."""
ROW_STEP = 4
"""Rows of a mixture's second format are multiples of this."""
BANKS, QUEUE_DEPTH, ROW_GROUP = 4, 16, 16
LEAST_BANK_WORDS = 512
"""Depth of a 36 Kb block: smaller banks take as many blocks."""

Mask = NDArray[np.bool_]


def candidates(mixture: Mixture, family: str, axi_width: int) -> Points:
    """Every array and vector unit with these rows; :func:`complete` chooses the memories."""
    shapes: list[NDArray[np.int64]] = []
    for lanes in LANES:
        for tokens in TOKENS:
            for vector_lanes in VECTOR_LANES:
                if tokens * lanes % (2 * vector_lanes):
                    continue
                most = min(MOST_ROWS, MOST_TURNS * vector_lanes)
                rows = np.arange(vector_lanes, most + 1, vector_lanes)
                if mixture.second:
                    rows, second = (
                        grid.ravel()
                        for grid in np.meshgrid(rows, np.arange(ROW_STEP, most + 1, ROW_STEP))
                    )
                    rows, second = rows[second <= rows], second[second <= rows]
                else:
                    second = 0 * rows
                shape = np.broadcast_to([lanes, tokens, vector_lanes], (len(rows), 3))
                shapes.append(np.column_stack([shape, rows, second]))
    lanes_, tokens_, vector_, rows_, second_ = np.concatenate(shapes).astype(np.int64).T
    one = np.ones(len(rows_), dtype=np.int64)
    format_rows = np.zeros((len(rows_), len(FORMAT_NAMES)), dtype=np.int64)
    fixed = FORMAT_NAMES.index(mixture.fixed)
    first = fixed * one
    format_rows[:, fixed] = rows_ - second_
    if mixture.second:
        other = FORMAT_NAMES.index(mixture.second)
        format_rows[:, other] = second_
        first = np.where(second_ == rows_, other, fixed)
    return Points(
        lanes=lanes_, tokens=tokens_, rows=rows_, vector_lanes=vector_,
        depth=2 * lanes_, banks=BANKS * one, bank_words=LEAST_BANK_WORDS * one,
        param_entries=2 * one, row_group=ROW_GROUP * one, axi_width=axi_width * one,
        queue_depth=QUEUE_DEPTH * one, act_bits=8 * one, part_sums=0 * one,
        format_rows=format_rows,
        first_format=first, xcup=np.full(len(one), family == "xcup"),
    )  # fmt: skip


def complete(
    points: Points, layers: Sequence[Layer], estimate: CycleEstimate
) -> tuple[Points, Mask]:
    """Choose the smallest memories that hold the network; also whether a machine can have them.

    Cycles do not depend on the size of the scratchpad; :func:`with_entries` chooses the other
    memories before. Mapping a machine may still show that the mapper needs more.
    """
    needs = estimate.needs
    least = np.maximum(live_words(points, layers), needs["banks * bank_words"])
    bank_words = np.maximum(_power(-(-least // BANKS)), LEAST_BANK_WORDS)
    rows = "rows for activations"
    good = (
        (points.depth <= DEPTH_MAX)
        & (BANKS * bank_words <= SCRATCHPAD_WORDS_MAX)
        & (needs[rows] <= estimate.has[rows])
    )
    return _replaced(points, bank_words=bank_words), good


def with_entries(points: Points, layers: Sequence[Layer]) -> Points:
    """The same machines with room for the longest tile, and for the parameters of any two layers.

    That is, of two successive ones: parameters of a layer are loaded while the one before it still
    runs. Tiles wait in a ring of twice the longest one: cycles depend on it.
    """
    found, before = points.param_entries, 0 * points.param_entries
    depth = points.depth
    known: dict[Layer, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    for layer in layers:
        if layer.work not in (Work.PRODUCT, Work.SCORES, Work.CONTEXT, Work.NORM):
            continue
        shape = replace(layer, name="", output="", sources=(), tables=())
        if shape not in known:
            tiles = [] if layer.work is Work.NORM else pass_shapes(points, shape)
            longest = [one.entries * points.lanes for one in tiles]
            known[shape] = param_entries(points, shape), np.max([0 * depth, *longest], axis=0)
        params, deep = known[shape]
        found, depth = np.maximum(found, params + before), np.maximum(depth, deep)
        before = params
    return _replaced(points, param_entries=_power(found), depth=depth)


def with_act_bits(points: Points, bits: int) -> Points:
    """The same machines with ``bits`` bits of an activation."""
    return _replaced(points, act_bits=np.full(len(points), bits, dtype=np.int64))


def spec_of(points: Points, index: int, mixture: Mixture) -> MachineSpec:
    """Spec of one machine."""
    numbers: dict[str, Any] = {name: int(getattr(points, name)[index]) for name in SCALARS}
    counts = [(name, int(points.rows_of(name)[index])) for name in _formats(mixture)]
    classes = tuple(RowClass(name, count) for name, count in counts if count)
    return MachineSpec(classes=classes, **numbers)


def _formats(mixture: Mixture) -> list[str]:
    return [name for name in (mixture.fixed, mixture.second) if name]


def _replaced(points: Points, **columns: NDArray[np.int64]) -> Points:
    return Points(**{**vars(points), **columns})


def _power(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The next power of two."""
    powers: NDArray[np.int64] = np.left_shift(1, bit_length(np.maximum(values, 1) - 1))
    return powers
