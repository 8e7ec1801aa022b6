"""Rounds weights to levels: to the nearest, or with error feedback to later weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flows.quantise.float_layers import Reals
from flows.quantise.scales import nearest_levels, widest_level
from models.formats import find_format
from models.numerics.rescale import Integers

__all__ = ["Feedback", "levels_of_rows", "refit_scales"]

_DAMPING = 0.01
"""Share of the mean variance added to the variance of every input, for inputs that hardly vary."""


def levels_of_rows(formats: Sequence[str], matrix: Reals, scales: Reals) -> Integers:
    """Return the nearest levels ``[rows, K]``, each row in its own format."""
    levels = np.empty(matrix.shape, dtype=np.int64)
    names = np.array(formats)
    for kind in dict.fromkeys(formats):
        rows = names == kind
        levels[rows] = nearest_levels(kind, matrix[rows] / scales[rows, None])
    return levels


class Feedback:
    """Rounds rows with error feedback, to minimise the output error of all levels together.

    Columns are rounded one after the other, those of the largest input first. Columns not rounded
    so far compensate each rounding error, as far as their inputs correlate. This works for any
    grid: only "the nearest level" depends on it.

    Source: Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
    Transformers" (ICLR 2023), section 3; the order by input size is that of the authors'
    ``act_order``.

    Parameters
    ----------
    second : float array [K, K]
        Centred second moment of the inputs.
    """

    def __init__(self, second: Reals) -> None:
        variance = np.diagonal(second)
        damping = _DAMPING * max(float(variance.mean()), 0.0) or 1.0
        self._order = np.argsort(-variance, kind="stable")
        ordered = second[np.ix_(self._order, self._order)]
        try:
            inverse = np.linalg.inv(ordered + damping * np.eye(len(second)))
            self._upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
        except np.linalg.LinAlgError:
            # A second moment has no negative eigenvalue but by rounding error: clip them to 0.
            values, vectors = np.linalg.eigh((ordered + ordered.T) / 2)
            inverse = (vectors / (np.maximum(values, 0) + damping)) @ vectors.T
            self._upper = np.linalg.cholesky((inverse + inverse.T) / 2).T

    def levels(self, formats: Sequence[str], matrix: Reals, scales: Reals) -> Integers:
        """Return levels ``[rows, K]``, each row in its own format."""
        rest = matrix[:, self._order] / scales[:, None]
        levels = np.empty(matrix.shape, dtype=np.int64)
        pick = _Nearest(formats)
        for column, place in enumerate(self._order):
            chosen = pick(rest[:, column])
            levels[:, place] = chosen
            error = (rest[:, column] - chosen) / self._upper[column, column]
            rest[:, column + 1 :] -= error[:, None] * self._upper[column, column + 1 :]
        return levels


def refit_scales(levels: Integers, matrix: Reals, scales: Reals, second: Reals) -> Reals:
    """Return the best scale of every row for its levels: least squares of the output.

    A row whose best factor is not positive keeps its scale.
    """
    reach = levels @ (second + _DAMPING * np.diagonal(second).mean() * np.eye(len(second)))
    square = (reach * levels).sum(axis=1)
    product = (reach * matrix).sum(axis=1)
    usable = (square > 0) & (product > 0)
    found = np.where(usable, product / np.where(usable, square, 1.0), scales)
    return found.astype(np.float32).astype(np.float64)


class _Nearest:
    """Rounds one column to the nearest levels, each row in its own format."""

    def __init__(self, formats: Sequence[str]) -> None:
        names = np.array(formats)
        self._parts = [
            (np.flatnonzero(names == kind), find_format(kind), widest_level(kind))
            for kind in dict.fromkeys(formats)
        ]

    def __call__(self, steps: Reals) -> Integers:
        levels = np.empty(len(steps), dtype=np.int64)
        for rows, book, widest in self._parts:
            levels[rows] = np.clip(book.nearest(steps[rows]), -widest, widest)
        return levels
