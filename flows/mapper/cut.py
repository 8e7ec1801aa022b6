"""Cuts of a layer with static weights: output columns of a pass, and the words that they read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from flows.mapper.group_passes import Grouped, array_of, pass_read, passes
from flows.mapper.matrix_ops import walk_words
from flows.mapper.place import Place
from flows.mapper.row_plan import RowPlan
from models.machine.spec import MachineSpec
from models.numerics.rescale import Integers
from models.ops.convolution import Convolution

__all__ = ["Cut", "cuts_of", "joined_plan", "lane_order", "param_starts"]


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A pass over written columns ``start`` to ``stop``.

    Attributes
    ----------
    word, words, last_beats : int
        First word of a position that is read, how many, and the beats of the last one.
    entries : int
        Beats of K.
    """

    start: int
    stop: int
    word: int
    words: int
    last_beats: int
    entries: int

    @property
    def columns(self) -> slice:
        """The columns as a slice."""
        return slice(self.start, self.stop)

    @property
    def walk(self) -> dict[str, int]:
        """Fields of a matrix descriptor."""
        return {"words": self.words, "last_beats": self.last_beats}


def cuts_of(
    spec: MachineSpec, op: Convolution, source: Place, target: Place, *, positions: int
) -> list[Cut]:
    """Return the passes of a layer: one, or those of a convolution in groups."""
    taps = op.weights.shape[1] * op.weights.shape[2]
    if op.groups == 1:
        walk = walk_words(spec, source)
        beats = (walk["words"] - 1) * spec.tokens + walk["last_beats"]
        per_word = spec.word_bytes * 8 // target.bits
        columns = target.channels
        if target.groups > 1:
            columns = target.groups * target.group_words * per_word
        return [Cut(start=0, stop=columns, word=0, **walk, entries=taps * beats)]
    layer = Grouped(
        inputs=op.channels, outputs=len(op.weights), groups=op.groups, taps=taps,
        positions=positions, bits=target.bits,
    )  # fmt: skip
    return list(_grouped(spec, layer))


@lru_cache(maxsize=256)
def _grouped(spec: MachineSpec, layer: Grouped) -> tuple[Cut, ...]:
    array = array_of(spec)
    found = []
    for start, stop in passes(array, layer):
        read = pass_read(array, layer, start, stop)
        found.append(
            Cut(
                start=int(start[0]), stop=int(stop[0]), word=int(read.word[0]),
                words=int(read.words[0]), last_beats=int(read.last_beats[0]),
                entries=int(read.entries(array, layer)[0]),
            )
        )  # fmt: skip
    return tuple(found)


def joined_plan(plans: Sequence[RowPlan], cuts: Sequence[Cut]) -> RowPlan:
    """Return the rows of all passes as one plan, with the columns of the whole layer.

    The words of its row order remain those of each pass.
    """
    if len(plans) == 1:
        return plans[0]
    columns = [
        np.where(plan.columns < 0, plan.columns, plan.columns + cut.start)
        for plan, cut in zip(plans, cuts, strict=True)
    ]
    order = b"".join(plan.order for plan in plans)
    return replace(
        plans[0], tiles=sum(map(len, columns)), columns=np.concatenate(columns), order=order
    )


def param_starts(spec: MachineSpec, plans: Sequence[RowPlan], cuts: Sequence[Cut]) -> list[int]:
    """Return the first entry of each pass' parameters, and of its row order if it has one."""
    if not spec.scatter:
        return [cut.start // spec.vector_lanes for cut in cuts]
    sizes = [plan.columns.size // spec.vector_lanes for plan in plans]
    return [sum(sizes[:index]) for index in range(len(sizes))]


def lane_order(spec: MachineSpec, op: Convolution, place: Place, cut: Cut) -> Integers:
    """Return a cut's weights ``[out, K]`` with K in the order of the walk: taps, words, lanes.

    ``out`` are all channels, or of a convolution in groups those of the cut.
    """
    weights = op.weights
    lanes = cut.entries // (weights.shape[1] * weights.shape[2]) * spec.lanes
    if op.groups > 1:
        rows = np.arange(cut.start, cut.stop)
        weights = weights[rows]
        depth = weights.shape[3]
        first = rows // (len(op.weights) // op.groups) * depth - cut.word * spec.word_bytes
        wide = np.zeros((*weights.shape[:3], lanes), dtype=np.int64)
        at = (first[:, None] + np.arange(depth))[:, None, None, :]
        np.put_along_axis(wide, np.broadcast_to(at, weights.shape), weights, axis=3)
        return wide.reshape(len(rows), -1)
    count, kernel_y, kernel_x, channels = weights.shape
    groups = place.groups
    if groups == 1:
        wide = np.zeros((count, kernel_y, kernel_x, lanes), dtype=np.int64)
        wide[..., :channels] = weights
    else:
        part = channels // groups
        parts = np.zeros(
            (count, kernel_y, kernel_x, groups, place.group_words * spec.word_bytes), dtype=np.int64
        )
        parts[..., :part] = weights.reshape(count, kernel_y, kernel_x, groups, part)
        wide = parts.reshape(count, kernel_y, kernel_x, -1)
    return wide.reshape(count, -1)
