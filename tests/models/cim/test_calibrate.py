"""Calibration on known counts, and what it leaves."""

from __future__ import annotations

import re

import numpy as np
import pytest

from models.cim.adc import full_range, unit_step
from models.cim.calibrate import calibrate, residual
from models.cim.die import make_die
from models.cim.fast import fast_product
from models.cim.presets import PRESETS, find_preset

SAMPLES = 1 << 19


@pytest.mark.parametrize("seed", range(20))
def test_cap_ram_residual_below_two_steps(seed: int) -> None:
    die = make_die(find_preset("cap-ram"), seed)
    errors, _ = residual(die, calibrate(die), SAMPLES)
    assert len(errors) == SAMPLES
    assert np.abs(errors).max() < 2


@pytest.mark.parametrize("name", PRESETS)
def test_calibration_reduces_the_error(name: str) -> None:
    die = make_die(PRESETS[name], 1)
    before, _ = residual(die, None, 1 << 16)
    after, _ = residual(die, calibrate(die), 1 << 16)
    # Converters of few bits have little to correct.
    assert after.std() < before.std() + 0.005


def test_calibration_holds_in_other_windows() -> None:
    spec = find_preset("pim-qat")
    die = make_die(spec, 4, dynamic=False)
    found = calibrate(die)
    random = np.random.default_rng(0)
    weights = random.integers(-128, 128, (32, 144))
    acts = random.integers(0, 256, (64, 144))
    for window in (full_range(spec), unit_step(spec)):
        plain = fast_product(acts, weights, die=die, window=window).values
        table = found.decode(die, window)
        better = fast_product(acts, weights, die=die, window=window, decode=table).values
        exact = acts @ weights.T
        assert np.std(better - exact) < np.std(plain - exact)


def test_an_ideal_die_needs_no_correction() -> None:
    die = make_die(find_preset("cap-ram"), 0, static=False, dynamic=False)
    found = calibrate(die)
    np.testing.assert_allclose(found.gain, 1, atol=2e-3)
    np.testing.assert_allclose(found.offset, 0, atol=0.5)


def test_unknown_preset() -> None:
    text = f"preset must be one of {', '.join(PRESETS)}, not 'isaac'"
    with pytest.raises(ValueError, match=re.escape(text)):
        find_preset("isaac")
    with pytest.raises(ValueError, match="ADC bits must be 1 to 10, not 12"):
        find_preset("forms", adc_bits=12)
