"""Fits one scale per row: the least weighted squared error over a list of candidates."""

from __future__ import annotations

import math

import numpy as np

from flows.quantise.float_layers import Reals
from models.formats import find_format
from models.numerics.rescale import Integers

__all__ = ["fit_scales", "fixed_point_scales", "nearest_levels", "widest_level"]

_FACTORS = np.concatenate([[1.0], np.geomspace(1.3, 0.25, 96)])
"""Candidates as multiples of the scale that maps the largest weight to the largest level."""
_SIGNED_FRACTION = 40.0


def widest_level(kind: str) -> int:
    """Return the largest level in use.

    Only the symmetric part of a grid is used: packed products of two's complement rows and the
    negation of rows need that.
    """
    return int(find_format(kind).grid[-1])


def nearest_levels(kind: str, steps: Reals) -> Integers:
    """Return the nearest levels of weights, in units of the row's scale; any shape, int64."""
    widest = widest_level(kind)
    return np.clip(find_format(kind).nearest(steps), -widest, widest)


def fit_scales(kind: str, matrix: Reals, importance: Reals) -> Reals:
    """Return a scale per row ``[rows]``, at least as good as the one from the largest weight.

    Parameters
    ----------
    matrix : float array [rows, K]
    importance : float array [rows, K] or [K]
        Cost of a squared error of each weight: the variance of its input.
    """
    peak = np.abs(matrix).max(axis=1) / widest_level(kind)
    peak = np.where(peak > 0, peak, 1.0)
    best, least = peak.copy(), np.full(len(matrix), np.inf)
    for factor in _FACTORS:
        scales = _float32(peak * factor)
        levels = nearest_levels(kind, matrix / scales[:, None])
        errors = (importance * np.square(matrix - levels * scales[:, None])).sum(axis=1)
        better = errors < least
        best, least = np.where(better, scales, best), np.where(better, errors, least)
    if kind == "binary":
        # With a single magnitude the optimum is the (weighted) mean of the magnitudes.
        total = np.broadcast_to(importance, matrix.shape).sum(axis=1)
        mean = (importance * np.abs(matrix)).sum(axis=1) / total
        best = np.where(mean > 0, _float32(mean), best)
    return best


def fixed_point_scales(matrix: Reals) -> Reals:
    """Return powers of two ``[rows]``: ``2**-floor(log2(40 / sigma))``, sigma of each row.

    Source: F8Net (Jin et al., ICLR 2022).
    """
    lengths = [
        math.floor(math.log2(_SIGNED_FRACTION / sigma)) if sigma > 0 else 0
        for sigma in matrix.std(axis=1)
    ]
    return np.array([2.0**-length for length in lengths])


def _float32(values: Reals) -> Reals:
    """Round to float32, the precision of the file; never to 0."""
    return np.maximum(values, np.finfo(np.float32).tiny).astype(np.float32).astype(np.float64)
