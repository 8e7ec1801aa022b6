"""Scales and levels of rows: on the grid, and no worse than the plain way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.quantise.rounding import Feedback, levels_of_rows, refit_scales
from flows.quantise.scales import fit_scales, fixed_point_scales, nearest_levels, widest_level
from models.formats import FORMATS, find_format

KINDS = ("fixed8", "fixed4", "pot4", "pot3", "sp2", "esb4.1", "binary")


def random_matrix(rows: int, depth: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_t(4, (rows, depth)) * 10 ** rng.uniform(-3, 1, (rows, 1))


def correlated(depth: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(20 * depth, 3)) @ rng.normal(size=(3, depth))
    x = np.maximum(x + 0.3 * rng.normal(size=x.shape), 0)
    x -= x.mean(axis=0)
    return x.T @ x / len(x)


@settings(max_examples=40)
@given(st.sampled_from(sorted(FORMATS)), st.integers(0, 2**31))
def test_scales_are_never_worse_than_those_of_the_largest_weight(kind: str, seed: int) -> None:
    matrix = random_matrix(5, 17, seed)
    importance = np.random.default_rng(seed).uniform(0.1, 3, 17)

    def errors(scales: np.ndarray) -> np.ndarray:
        levels = nearest_levels(kind, matrix / scales[:, None])
        found: np.ndarray = (importance * (matrix - levels * scales[:, None]) ** 2).sum(axis=1)
        return found

    plain = np.abs(matrix).max(axis=1) / widest_level(kind)
    fitted = fit_scales(kind, matrix, importance)
    assert np.all(errors(fitted) <= errors(plain.astype(np.float32).astype(float)) * (1 + 1e-6))
    assert np.array_equal(fitted, fitted.astype(np.float32))


def test_a_row_of_zeros_has_a_scale() -> None:
    assert np.all(fit_scales("fixed4", np.zeros((2, 4)), np.ones(4)) > 0)


def test_scale_of_a_binary_row_is_the_weighted_mean_magnitude() -> None:
    matrix, importance = random_matrix(4, 30, 1), np.linspace(1, 2, 30)
    want = (importance * np.abs(matrix)).sum(axis=1) / importance.sum()
    assert fit_scales("binary", matrix, importance) == pytest.approx(want, rel=1e-6)


def test_fixed_point_scales_are_powers_of_two() -> None:
    matrix = random_matrix(6, 50, 2)
    scales = fixed_point_scales(matrix)
    assert np.array_equal(np.log2(scales), np.rint(np.log2(scales)))
    ratio = scales * 40 / matrix.std(axis=1)
    assert np.all((ratio >= 1) & (ratio < 2))


@pytest.mark.parametrize("kind", KINDS)
def test_levels_are_on_the_symmetric_part_of_the_grid(kind: str) -> None:
    matrix, second = random_matrix(6, 24, 3), correlated(24, 3)
    scales = fit_scales(kind, matrix, np.diagonal(second))
    grid = find_format(kind).grid
    for levels in (
        levels_of_rows([kind] * 6, matrix, scales),
        Feedback(second).levels([kind] * 6, matrix, scales),
    ):
        assert np.isin(levels, grid).all()
        assert levels.min() >= -grid.max()


@pytest.mark.parametrize("kind", KINDS[1:])
def test_error_feedback_lowers_the_output_error(kind: str) -> None:
    matrix, second = random_matrix(32, 40, 4), correlated(40, 4)
    scales = fit_scales(kind, matrix, np.diagonal(second))

    def error(levels: np.ndarray, scales: np.ndarray) -> float:
        rest = (matrix - levels * scales[:, None]) / matrix.std(axis=1, keepdims=True)
        return float(((rest @ second) * rest).sum())

    nearest = error(levels_of_rows([kind] * 32, matrix, scales), scales)
    levels = Feedback(second).levels([kind] * 32, matrix, scales)
    fed_back = error(levels, scales)
    assert fed_back < 0.8 * nearest
    assert error(levels, refit_scales(levels, matrix, scales, second)) <= 1.02 * fed_back
