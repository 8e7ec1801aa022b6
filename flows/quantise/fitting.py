"""Fits a layer: float rows to levels, scales and offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flows.quantise.float_layers import Layer, Reals
from flows.quantise.moments import Moments
from flows.quantise.rounding import Feedback, levels_of_rows, refit_scales
from flows.quantise.scales import fit_scales, fixed_point_scales
from models.numerics.rescale import Integers

__all__ = ["ROUNDINGS", "Fitted", "fit_layer"]

ROUNDINGS = ("gptq", "nearest")
_TRIALS = (1.0, 0.93, 0.86, 1.08)
"""Multiples of the fitted scale from which error feedback starts; each row keeps its best."""
_PULL = 0.01
"""Regularisation toward the float weights, as a share of the mean input variance. It decides the
weights of inputs that hardly vary in the calibration images."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A quantised layer: its weights are ``levels * scales``.

    Attributes
    ----------
    levels : int array [rows, K]
    scales, offset : float array [rows]
        Float32 numbers; ``offset`` is the bias, which corrects the mean output.
    """

    formats: tuple[str, ...]
    levels: Integers
    scales: Reals
    offset: Reals

    @property
    def reals(self) -> Reals:
        """Return the weights as real numbers."""
        return self.levels * self.scales[:, None]


def fit_layer(
    layer: Layer,
    formats: Sequence[str],
    moments: Moments,
    *,
    rounding: str = ROUNDINGS[0],
    power_of_two: bool = False,
) -> Fitted:
    """Fit every row of a layer in its format.

    With ``gptq`` the rows are fitted to the actual inputs, from the quantised layers before. Each
    row is first moved to reproduce the float network's output from these inputs (least squares),
    then rounded with error feedback. It keeps nearest rounding if that has the smaller error.

    The bias corrects the mean error of the outputs.
    Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction"
    (ICCV 2019), here with means of calibration images.
    """
    parts = []
    size = layer.rows // layer.groups
    for group in range(layer.groups):
        rows = slice(group * size, (group + 1) * size)
        matrix = layer.matrix[rows]
        parts.append(_fit_group(matrix, formats[rows], moments, group, rounding, power_of_two))
    levels = np.concatenate([part[0] for part in parts])
    scales = np.concatenate([part[1] for part in parts])
    reals = levels * scales[:, None]
    means = np.repeat(moments.mean, size, axis=0)
    float_means = np.repeat(moments.float_mean, size, axis=0)
    wanted = (layer.matrix * float_means).sum(axis=1)
    offset = layer.offset + wanted - (reals * means).sum(axis=1)
    return Fitted(
        formats=tuple(formats),
        levels=levels,
        scales=scales,
        offset=offset.astype(np.float32).astype(np.float64),
    )


def _fit_group(
    matrix: Reals,
    formats: Sequence[str],
    moments: Moments,
    group: int,
    rounding: str,
    power_of_two: bool,
) -> tuple[Integers, Reals]:
    importance, second = moments.diagonal[group], moments.second[group]
    scales = _scales(matrix, formats, importance, power_of_two)
    levels = levels_of_rows(formats, matrix, scales)
    if rounding == "nearest":
        return levels, scales
    target = _target(matrix, moments.cross[group], second)
    least = _errors(levels, scales, target, second)
    start = _scales(target, formats, importance, power_of_two)
    feedback = Feedback(second)
    for factor in _TRIALS[:1] if power_of_two else _TRIALS:
        trial_scales = (start * factor).astype(np.float32).astype(np.float64)
        trial = feedback.levels(formats, target, trial_scales)
        if not power_of_two:
            trial_scales = refit_scales(trial, target, trial_scales, second)
        errors = _errors(trial, trial_scales, target, second)
        better = errors < least
        levels = np.where(better[:, None], trial, levels)
        scales, least = np.where(better, trial_scales, scales), np.where(better, errors, least)
    return levels, scales


def _scales(matrix: Reals, formats: Sequence[str], importance: Reals, power_of_two: bool) -> Reals:
    if power_of_two:
        return fixed_point_scales(matrix)
    names, scales = np.array(formats), np.empty(len(matrix))
    for kind in dict.fromkeys(formats):
        scales[names == kind] = fit_scales(kind, matrix[names == kind], importance)
    return scales


def _target(matrix: Reals, cross: Reals, second: Reals) -> Reals:
    """Return rows that reproduce the float outputs from the quantised inputs: ridge regression."""
    pull = (_PULL * float(np.diagonal(second).mean()) or 1.0) * np.eye(len(second))
    return np.asarray(np.linalg.solve(second + pull, (matrix @ (cross + pull)).T).T)


def _errors(levels: Integers, scales: Reals, target: Reals, second: Reals) -> Reals:
    """Return the mean squared output error of every row, including the regularisation."""
    error = levels * scales[:, None] - target
    pull = _PULL * float(np.diagonal(second).mean())
    return np.asarray(((error @ second) * error).sum(axis=1) + pull * np.square(error).sum(axis=1))
