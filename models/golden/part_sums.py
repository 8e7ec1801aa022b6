"""Golden memory of sums that wait for another part of K."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.golden.state import MachineState
from models.numerics.rescale import Integers
from models.program.descriptor import ProgramError

__all__ = ["keep_sums", "taken_sums"]

HALF = 1 << 31


def keep_sums(state: MachineState, fields: Mapping[str, int], sums: Integers) -> None:
    """Keep the sums ``[rows, columns]`` of a drain, but for beats beyond its channels.

    Raises
    ------
    ProgramError
        If there are more than the memory holds, or one needs more than 32 bits.
    """
    spec = state.spec
    at, padded, width = _beats(state, fields)
    rows = fields["rows"]
    tiled = np.zeros((fields["tiles"], padded, width * spec.vector_lanes), dtype=np.int64)
    tiled[:, :rows] = sums.reshape(rows, fields["tiles"], -1).swapaxes(0, 1)
    beats = tiled.reshape(fields["tiles"], padded, width, spec.vector_lanes)
    kept = np.zeros(beats.shape[:3], dtype=bool)
    kept[:, :rows] = True
    if fields["short"] or not spec.scatter:
        first = np.arange(fields["tiles"] * width) * spec.vector_lanes
        kept &= (first < fields["channels"]).reshape(fields["tiles"], 1, width)
    if beats[kept].size and not -HALF <= beats[kept].min() <= beats[kept].max() < HALF:
        raise ProgramError("sums of a part of K must fit 32 bits")
    state.part_sums[at][kept.reshape(-1)] = beats[kept]


def taken_sums(state: MachineState, fields: Mapping[str, int]) -> Integers:
    """Return kept sums ``[rows, columns]`` in the order of a drain's results.

    Raises
    ------
    ProgramError
        If there are more than the memory holds.
    """
    at, padded, width = _beats(state, fields)
    tiled = state.part_sums[at].reshape(fields["tiles"], padded, width * state.spec.vector_lanes)
    return tiled[:, : fields["rows"]].swapaxes(0, 1).reshape(fields["rows"], -1)


def _beats(state: MachineState, fields: Mapping[str, int]) -> tuple[slice, int, int]:
    """Return the entries of a drain, its rows padded to whole groups of tokens, beats of a tile."""
    spec = state.spec
    width = (spec.dynamic_rows if fields["short"] else spec.rows) // spec.vector_lanes
    padded = -(-fields["rows"] // spec.tokens) * spec.tokens
    count = fields["tiles"] * padded * width
    if count > spec.part_sums:
        raise ProgramError(
            f"sums of a part of K must end inside {spec.part_sums} entries, not at {count}"
        )
    return slice(0, count), padded, width
