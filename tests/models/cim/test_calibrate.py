"""Calibration on known counts, and what it leaves."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from models.cim.adc import Trim, Window, full_range, registers, unit_step
from models.cim.calibrate import calibrate, residual
from models.cim.die import Die, make_die
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


def thresholds(die: Die, window: Window, trim: Trim | None, largest: int) -> NDArray[np.float64]:
    """How far every column's thresholds, below ``largest`` counts, lie off the middle, counts."""
    spec = die.spec
    # The count of a column is the mean charge of its units.
    count = die.caps.sum((0, 2)) / (spec.units * spec.largest_digit)
    code = np.arange(1, 1 << spec.adc_bits)
    wanted = (window.offset + window.step * (code - 0.5)) / (1 << spec.fraction)
    found = registers(die, window, trim).thresholds[:, 1:] / count[:, None]
    return (found - wanted)[:, np.abs(wanted) < largest]


@pytest.mark.parametrize(
    ("name", "bits", "largest", "most"),
    [
        ("pim-qat", 6, 40, 0.045),
        ("pim-qat", 7, 40, 0.045),
        ("pim-qat", 8, 40, 0.045),
        ("pim-qat", 8, 144, 0.08),
        ("cap-ram", 7, 40, 0.055),
        ("forms", 4, 14, 0.03),
        ("forms", 5, 24, 0.03),
    ],
)
@pytest.mark.parametrize("dynamic", [False, True])
def test_thresholds_lie_between_counts(name, bits, largest, most, dynamic) -> None:
    """With one count a step no code tells where a threshold lies, unless the offset is moved."""
    spec = find_preset(name, adc_bits=bits)
    die = make_die(spec, 6, dynamic=dynamic)
    window = unit_step(spec)
    trim = calibrate(die, window, 1024, largest).trim(die)
    before, after = (thresholds(die, window, t, largest) for t in (None, trim))
    rms = np.sqrt((after**2).mean())
    assert rms < most
    assert rms < np.sqrt((before**2).mean()) / 4
    # None is off in all columns: neither those at an end nor those in a bend.
    assert np.abs(after.mean(0)).max() < (0.06 if largest <= 40 else 0.1)


def test_calibration_where_sums_lie_is_better_there() -> None:
    spec = find_preset("pim-qat", adc_bits=8)
    die = make_die(spec, 2)
    window = unit_step(spec)
    near, far = (
        thresholds(die, window, calibrate(die, window, 1024, n).trim(die), 30) for n in (30, None)
    )
    assert near.std() < 0.85 * far.std()


def test_codes_that_do_not_move_have_no_line() -> None:
    """All sums ended by ReLU, or in one step."""
    spec = find_preset("relu-macro", adc_bits=3)
    die = make_die(spec, 0)
    found = calibrate(die, full_range(spec), 256, largest=1)
    assert np.isfinite(found.offset).all()
    assert ((found.gain >= 0.5) & (found.gain <= 2)).all()
    assert np.isfinite(found.trim(die).offset).all()


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
