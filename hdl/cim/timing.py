"""Exact cycle counts of the macro, as confirmed by simulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from hdl.cim.column_path import late
from hdl.cim.conversion_walk import KEY
from hdl.cim.join import join_latency
from hdl.cim.shape import MacroShape
from models.numerics.rescale import Integers

Tile: TypeAlias = tuple[int, int]
"""Beats of a tile, and number of its activation slices that are converted."""


def tiles_of(shape: MacroShape, vector: Integers) -> list[Tile]:
    """Return the tiles of one vector of activations ``[k]``."""
    spec = shape.spec
    tiles = []
    for start in range(0, len(vector), spec.depth):
        part = vector[start : start + spec.depth]
        slices = spec.act_slices
        if spec.zero_skip:
            slices = -(-int(part.max()).bit_length() // spec.dac_bits)
        tiles.append((-(-len(part) // shape.lanes), slices))
    return tiles


def cycles(
    shape: MacroShape,
    vectors: Sequence[Sequence[Tile]],
    *,
    slices: int,
    outputs: int,
    tokens: int,
) -> int:
    """Return the cycles from a layer's record until ``i_config`` accepts the next item.

    Assumes that weights are loaded, that the first two tiles of activations wait and each further
    one comes as soon as there is room, and that results are accepted at once. Apart from start and
    end this is, per vector, the larger of ``slices * outputs`` and the sum over its slices of
    ``max(beats, adc_bits + 1)`` (1 if skipped; the sum twice on a paired macro).

    Parameters
    ----------
    vectors : tiles of every vector (:func:`tiles_of`)
    slices, outputs, tokens : as in the layer's record
    """
    spec = shape.spec
    gap = spec.adc_bits + 1
    events = late(shape)
    now, started = 1, -gap
    loaded, ended = [0, 0], [0, 0]
    stalled = free = arrived = number = 0
    for index, vector in enumerate(vectors):
        if index % tokens == 0:
            now = max(now, started + gap) + KEY
        for beats, converted in vector:
            if number > 1:
                loaded.append(max(loaded[-1], ended[number]) + beats)
                now = max(now, loaded[-1] + 1)
            for _ in range(1 + shape.paired):
                for q in range(spec.act_slices):
                    last = now
                    if q < converted:
                        last = started = max(now + beats - 1, started + gap)
                    now = last + 1
            ended.append(last)
            number += 1
        arrived = max(last + events + stalled, free)
        stalled = arrived - last - events
        free = arrived + slices * outputs
    return free + join_latency(shape) + 1
