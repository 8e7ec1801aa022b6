"""Fits of parts: least squares without negative coefficients, and the stored ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fit_resources import COEFFICIENTS, fitted
from flows.estimate.resources.fit import non_negative

pytestmark = pytest.mark.slow


@given(st.integers(0, 2**32 - 1))
def test_non_negative_least_squares_is_optimal(seed: int) -> None:
    """Karush-Kuhn-Tucker: no coefficient can move, none above 0 wants to."""
    random = np.random.default_rng(seed)
    matrix, wanted = random.normal(size=(9, 4)), random.normal(size=9)
    found = non_negative(matrix, wanted)
    slope = matrix.T @ (wanted - matrix @ found)
    assert (found >= 0).all()
    assert (slope <= 1e-7).all()
    assert np.abs(slope[found > 0]).max(initial=0) < 1e-7


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_stored_coefficients_are_those_of_the_stored_points() -> None:
    stored, again = json.loads(COEFFICIENTS.read_text()), fitted()
    assert stored["ranges"] == again["ranges"]
    assert stored["parts"].keys() == again["parts"].keys()
    for part, metrics in stored["parts"].items():
        assert metrics["points"] == again["parts"][part]["points"]
        for metric in ("lut", "ff"):
            fit = metrics[metric]
            assert fit["xcup"] == pytest.approx(again["parts"][part][metric]["xcup"], rel=1e-3)
            assert fit["terms"] == pytest.approx(again["parts"][part][metric]["terms"], rel=1e-3)
