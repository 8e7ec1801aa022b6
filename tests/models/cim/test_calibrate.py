"""Calibration on known counts, and what it leaves."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from models.cim.calibrate import calibrate, residual
from models.cim.die import Die, make_die
from models.cim.fast.fast_product import fast_product
from models.cim.golden.adc import Trim, Window, full_range, registers, unit_step
from models.cim.presets import PRESETS, find_preset

pytestmark = pytest.mark.slow

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
    """How far every column's thresholds, up to ``largest`` counts, lie off the middle, steps."""
    spec = die.spec
    # The count of a column is the mean charge of its units.
    count = die.caps.sum((0, 2)) / (spec.units * ((1 << spec.cell_bits) - 1))
    code = np.arange(1, 1 << spec.adc_bits)
    wanted = (window.offset + window.step * (code - 0.5)) / (1 << spec.fraction)
    found = registers(die, window, trim).thresholds[:, 1:] / count[:, None]
    used = (np.abs(wanted) < largest) & ((wanted > 0) | (not spec.relu))
    off: NDArray[np.float64] = (found - wanted)[:, used] / window.step * (1 << spec.fraction)
    return off


@pytest.mark.parametrize(
    ("name", "bits", "counts", "largest", "most"),
    [
        ("pim-qat", 6, 1, 40, 0.045),
        ("pim-qat", 7, 1, 40, 0.045),
        ("pim-qat", 8, 1, 40, 0.045),
        ("pim-qat", 8, 1, 144, 0.08),
        ("pim-qat:differential", 7, None, 1296, 0.06),
        ("cap-ram", 7, 1, 40, 0.055),
        ("cap-ram", 4, None, 60, 0.05),
        ("cap-ram", 5, None, 60, 0.04),
        ("cap-ram", 8, None, 100, 0.06),
        ("forms", 4, 1, 14, 0.03),
        ("forms", 5, 1, 24, 0.03),
        ("forms", 3, None, 24, 0.04),
        ("relu-macro", 8, None, 10_000_000, 0.06),
        ("relu-macro", 8, None, 600_000, 0.04),
        ("relu-macro", 2, 60_000, 60_000, 0.04),
    ],
)
@pytest.mark.parametrize("dynamic", [False, True])
def test_thresholds_lie_between_counts(
    name: str, bits: int, counts: int | None, largest: int, most: float, dynamic: bool
) -> None:
    """With one count a step no code tells where a threshold lies, unless the offset is moved."""
    spec = find_preset(name, adc_bits=bits)
    die = make_die(spec, 6, dynamic=dynamic)
    window = full_range(spec) if counts is None else unit_step(spec, counts=counts)
    trim = calibrate(die, window, 1024, largest).trim(die)
    before, after = (thresholds(die, window, t, largest) for t in (None, trim))
    rms = np.sqrt((after**2).mean())
    assert rms < most
    assert rms < np.sqrt((before**2).mean()) / 2
    # None is off in all columns: neither those at an end nor those in a bend.
    assert np.abs(after.mean(0)).max() < 2 * most


@pytest.mark.parametrize(
    ("name", "bits", "window", "largest", "most"),
    [
        # A bow of a third of the codes, and of a converter's whole lower half.
        ("cap-ram", 3, Window(step=24 << 8, offset=-(24 << 10)), 60, 0.65),
        ("pim-qat", 2, Window(step=36 << 8), None, 0.34),
        ("pim-qat", 3, Window(step=4 << 8), 40, 0.25),
        # Windows above the smallest sums.
        ("pim-qat", 4, Window(step=1 << 8, offset=100 << 8), None, 0.1),
        ("pim-qat", 3, Window(step=1 << 8, offset=40 << 8), None, 0.4),
    ],
)
def test_few_codes_are_no_worse_for_it(
    name: str, bits: int, window: Window, largest: int | None, most: float
) -> None:
    spec = find_preset(name, adc_bits=bits)
    die = make_die(spec, 6)
    found = calibrate(die, window, 1024, largest)
    before, after = (
        thresholds(die, window, trim, largest or spec.largest_count)
        for trim in (None, found.trim(die))
    )
    assert np.sqrt((after**2).mean()) < min(most, float(np.sqrt((before**2).mean())))


@pytest.mark.parametrize("samples", [1000, 1024, 1025, 2048])
def test_offsets_are_moved_whatever_the_samples(samples: int) -> None:
    """Eight known counts a code, and eight parts of a step: they must not go together."""
    spec = find_preset("relu-macro")
    die = make_die(spec, 0)
    window = full_range(spec)
    trim = calibrate(die, window, samples).trim(die)
    assert np.sqrt((thresholds(die, window, trim, 10_000_000) ** 2).mean()) < 0.06


def test_calibration_where_sums_lie_is_better_there() -> None:
    spec = find_preset("pim-qat", adc_bits=8)
    die = make_die(spec, 2)
    window = unit_step(spec)
    near, far = (
        thresholds(die, window, calibrate(die, window, 1024, n).trim(die), 30) for n in (30, None)
    )
    assert near.std() < 0.85 * far.std()


@pytest.mark.parametrize(
    ("name", "bits", "largest"),
    [("relu-macro", 8, 1), ("relu-macro", 8, 30_000), ("pim-qat", 2, 10), ("pim-qat", 3, 1)],
)
def test_sums_within_a_step_have_no_slope(name: str, bits: int, largest: int) -> None:
    die = make_die(find_preset(name, adc_bits=bits), 0)
    found = calibrate(die, full_range(die.spec), 1024, largest)
    assert np.abs(found.gain - 1).max() < 0.1
    for part in (found.offset, found.inl, found.trim(die).gain):
        assert np.isfinite(part).all()


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
