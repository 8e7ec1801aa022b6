"""Splits weights and activations into the digits of cells and converters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.cim.cim_spec import CimSpec, Decomposition
from models.numerics.rescale import Integers

Digits: TypeAlias = NDArray[np.int16]
Whole = TypeVar("Whole", bound=np.integer)


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightSlices:
    """Digits of a weight matrix.

    Attributes
    ----------
    digits : int16 [P, out, k]
        Digits of the cells; negative only in native macros.
    factors : int64 [P]
        Weight of each slice.
    signs : int64 [out, k tiles], or None
        Sign of every group of a polarised macro.
    """

    digits: Digits
    factors: Integers
    signs: Integers | None = None


def weight_slices(weights: ArrayLike, spec: CimSpec) -> WeightSlices:
    """Split weights ``[out, k]`` into the spec's slices, or into as many as the widest needs.

    Raises
    ------
    ValueError
        If a weight needs more bits than the macro has or more digits than ``slices``, or if a
        polarised group has both signs.
    """
    w = np.asarray(weights, dtype=np.int64)
    top = 1 << spec.weight_bits - 1
    if w.ndim != 2:
        raise ValueError(f"weights must be [out, k], not shape {w.shape}")
    if w.size and (w.min() < -top or w.max() >= top):
        raise ValueError(f"weights must be {-top} to {top - 1} of {spec.weight_bits} bits")
    if spec.decomposition is Decomposition.BIT_SERIAL:
        return _bit_serial(w, spec.slices)
    columns = spec.slices // (1 + (spec.decomposition is Decomposition.DIFFERENTIAL))
    digits, factors = _digits(np.abs(w), spec.cell_bits, columns)
    if spec.decomposition is Decomposition.NATIVE:
        return WeightSlices(digits=digits * np.sign(w).astype(np.int16), factors=factors)
    if spec.decomposition is Decomposition.DIFFERENTIAL:
        both = np.concatenate([digits * (w > 0), digits * (w < 0)])
        return WeightSlices(digits=both, factors=np.concatenate([factors, -factors]))
    return WeightSlices(digits=digits, factors=factors, signs=_signs(w, spec.depth))


def _bit_serial(w: Integers, fixed: int) -> WeightSlices:
    widest = max(int(w.max(initial=0)), ~int(w.min(initial=0)))
    bits = _fixed(widest.bit_length() + 1, fixed)
    shifts = np.arange(bits, dtype=np.int16)
    factors = 1 << np.arange(bits)
    factors[-1] = -factors[-1]
    small = w.astype(np.int16)
    return WeightSlices(digits=small[None] >> shifts[:, None, None] & 1, factors=factors)


def _digits(magnitude: Integers, cell_bits: int, fixed: int) -> tuple[Digits, Integers]:
    bits = max(1, int(magnitude.max(initial=0)).bit_length())
    shifts = cell_bits * np.arange(_fixed(-(-bits // cell_bits), fixed))
    small, by = magnitude.astype(np.int16), shifts.astype(np.int16)
    return small[None] >> by[:, None, None] & (1 << cell_bits) - 1, 1 << shifts


def _fixed(needed: int, fixed: int) -> int:
    if fixed and needed > fixed:
        raise ValueError(f"weights must have at most {fixed} digits, not {needed}")
    return fixed or needed


def _signs(w: Integers, depth: int) -> Integers:
    starts = np.arange(0, w.shape[1], depth)
    low = np.minimum.reduceat(w, starts, axis=1)
    high = np.maximum.reduceat(w, starts, axis=1)
    mixed = np.argwhere((low < 0) & (high > 0))
    if len(mixed):
        row, tile = mixed[0]
        raise ValueError(
            f"weights of row {row}, elements {tile * depth} and up, must have one sign, not both"
        )
    return np.where(low < 0, -1, 1)


def polarise(weights: ArrayLike) -> tuple[Integers, Integers]:
    """Split weights into two matrices of one sign each, for a polarised macro."""
    w = np.asarray(weights, dtype=np.int64)
    return np.maximum(w, 0), np.minimum(w, 0)


def paired_weights(weights: ArrayLike, depth: int) -> Integers:
    """Split every tile of K into a tile of its positive and one of its negative weights.

    The result is one polarised matrix, to be multiplied by :func:`paired_acts`.

    Parameters
    ----------
    weights : int [out, k]
    depth : int
        Elements of a tile.

    Returns
    -------
    int64 [out, 2 * tiles * depth], the last tile padded with zeros.
    """
    both: Integers = np.stack([_tiles(part, depth) for part in polarise(weights)], axis=2)
    return both.reshape(len(both), -1)


def paired_acts(acts: NDArray[Whole], depth: int) -> NDArray[Whole]:
    """Duplicate every tile of activations ``[n, k]``: ``[n, 2 * tiles * depth]``, same type."""
    twice: NDArray[Whole] = np.repeat(_tiles(acts, depth), 2, axis=1)
    return twice.reshape(len(acts), -1)


def _tiles(array: NDArray[Whole], depth: int) -> NDArray[Whole]:
    """Rearrange ``[n, k]`` to ``[n, tiles, depth]``, padded with zeros."""
    padded = np.pad(array, ((0, 0), (0, -array.shape[1] % depth)))
    return padded.reshape(len(array), padded.shape[1] // depth, depth)


def act_slices(acts: ArrayLike, spec: CimSpec) -> tuple[NDArray[np.uint8], Integers]:
    """Split activations ``[n, k]`` into digits uint8 ``[Q, n, k]`` of weights int64 ``[Q]``.

    Raises
    ------
    ValueError
        If an activation is negative or needs more bits than the macro has.
    """
    u = np.asarray(acts)
    high = (1 << spec.act_bits) - 1
    if u.size and (u.min() < 0 or u.max() > high):
        raise ValueError(f"activations must be 0 to {high} of {spec.act_bits} bits")
    shifts = np.arange(0, spec.act_bits, spec.dac_bits)
    small, by = u.astype(np.uint8), shifts.astype(np.uint8)
    mask = np.uint8((1 << spec.dac_bits) - 1)
    digits: NDArray[np.uint8] = small[None] >> by[:, None, None] & mask
    return digits, 1 << shifts
