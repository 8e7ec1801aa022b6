"""Macros of few inputs, by tables of all of them: equal to the definition in every bit."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cim.cim_spec import CimSpec, Decomposition
from models.cim.decompose import polarise
from models.cim.die import make_die
from models.cim.fast.fast_product import fast_product
from models.cim.fast.patterns import suits
from models.cim.golden.adc import Window, full_range, unit_step
from models.cim.golden.macro import When, dot_product
from models.cim.golden.weight_layout import Layout
from models.cim.physics import Physics
from models.cim.presets import find_preset

pytest.importorskip("numba")

pytestmark = pytest.mark.slow


@st.composite
def _macros(draw: st.DrawFn) -> CimSpec:
    decomposition = draw(st.sampled_from(Decomposition))
    serial = decomposition is Decomposition.BIT_SERIAL
    dac_bits = draw(st.integers(1, 4))
    physics = Physics(
        mismatch_percent_um=draw(st.sampled_from([0.0, 1.0, 2.8])),
        comparator_noise_mv=draw(st.sampled_from([0.0, 0.3, 1.0, 5.0, 20.0])),
        bow_lsb=draw(st.sampled_from([0.0, 0.2])),
    )
    return CimSpec(
        rows=draw(st.integers(1, 8 // dac_bits)),
        columns=draw(st.integers(16, 80)),
        decomposition=decomposition,
        cell_bits=1 if serial else draw(st.integers(1, 3)),
        dac_bits=dac_bits,
        # One, two and three words of noise. Each has kernels of its own, ten seconds to compile;
        # those of the presets' bits are below.
        adc_bits=draw(st.sampled_from([1, 5, 9])),
        zero_skip=draw(st.booleans()),
        physics=physics,
    )


@settings(max_examples=40)
@given(_macros(), st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_every_macro(spec: CimSpec, seed: int, static: bool, dynamic: bool) -> None:
    random = np.random.default_rng(seed)
    k, outputs, tokens = random.integers(1, 40), random.integers(1, 30), random.integers(1, 90)
    weights = random.integers(-128, 128, (outputs, k))
    if spec.decomposition is Decomposition.POLARISED:
        weights = polarise(weights)[seed % 2]
    # Corner values, and vectors of different lengths.
    acts = random.integers(0, 256, (2 * tokens, k)) >> random.integers(0, 8, (2 * tokens, 1))
    acts[0] = 255
    die = make_die(spec, int(random.integers(100)), static=static, dynamic=dynamic)
    when = When(tokens=int(tokens), run=3, first=1000)
    for window in (full_range(spec), unit_step(spec)):
        arguments: dict[str, Any] = {"die": die, "window": window, "when": when}
        want = dot_product(acts, weights, **arguments)
        with mock.patch("models.cim.fast.fast_product.WORTH", 0):
            got = fast_product(acts, weights, **arguments)
        np.testing.assert_array_equal(got.values, want.values)
        assert got.conversions == want.conversions


@pytest.mark.parametrize(
    ("name", "bits"),
    [("forms", 3), ("forms", 4), ("forms", 5), ("forms:4", 3), ("forms:unskipped", 4)],
)
def test_presets_suit(name: str, bits: int) -> None:
    """So that the property above is one of tables; and many conversions of real noise."""
    spec = find_preset(name, adc_bits=bits)
    random = np.random.default_rng(bits)
    # Two groups of outputs, the last of them and the last tile part-filled.
    weights = np.abs(random.integers(-127, 128, (150, 37)))
    acts = random.integers(0, 256, (200, 37)) >> random.integers(0, 7, (200, 1))
    for number in range(2):
        die = make_die(spec, number, static=True, dynamic=True)
        for window in (full_range(spec), unit_step(spec)):
            when = When(tokens=100, run=number, first=77)
            layout = Layout.of(acts, weights, die, window, when, None, None, None)
            assert suits(layout)
            with mock.patch("models.cim.fast.fast_product.WORTH", 0):
                got = fast_product(acts, weights, die=die, window=window, when=when)
            want = dot_product(acts, weights, die=die, window=window, when=when)
            np.testing.assert_array_equal(got.values, want.values)


def test_what_does_not_suit() -> None:
    """Noise beyond the next threshold, thresholds out of order, too few vectors, deep tiles."""

    def made(spec: CimSpec, vectors: int = 400, *, dynamic: bool = True) -> bool:
        die = make_die(spec, 0, dynamic=dynamic)
        acts, weights = np.zeros((vectors, 8), np.int64), np.zeros((4, 8), np.int64)
        layout = Layout.of(acts, weights, die, full_range(spec), None, None, None, None)
        return suits(layout)

    assert made(find_preset("forms"))
    assert not made(find_preset("forms"), vectors=31)
    assert not made(find_preset("forms", adc_bits=8))
    assert not made(find_preset("forms:16"))
    for mismatch, ordered in ((1.0, True), (60.0, False)):
        rough = find_preset("forms", adc_bits=8, physics=Physics(mismatch_percent_um=mismatch))
        assert made(rough, vectors=4000, dynamic=False) is ordered


@pytest.mark.parametrize("relu", [False, True])
def test_whole_products_with_a_bias(relu: bool) -> None:
    """Few inputs, but what is converted is not their sum alone, or ends early: not by tables."""
    spec = CimSpec(
        rows=4,
        columns=16,
        decomposition=Decomposition.NATIVE,
        cell_bits=7,
        act_bits=2,
        dac_bits=2,
        relu=relu,
    )
    random = np.random.default_rng(5)
    weights, acts = random.integers(-127, 128, (9, 4)), random.integers(0, 4, (600, 4))
    die = make_die(spec, 1)
    arguments: dict[str, Any] = {
        "die": die,
        "window": full_range(spec),
        "bias": random.integers(-300, 300, 9),
    }
    want = dot_product(acts, weights, **arguments)
    with mock.patch("models.cim.fast.fast_product.WORTH", 0):
        got = fast_product(acts, weights, **arguments)
    np.testing.assert_array_equal(got.values, want.values)


@pytest.mark.parametrize("decomposition", Decomposition)
@pytest.mark.parametrize("skip", [False, True])
def test_many_noisy_bits(decomposition: Decomposition, skip: bool) -> None:
    """Nine bits: three words of noise, sums beyond 32 bits; conversions count beyond 32 bits."""
    physics = Physics(unit_cap_ff=8.0, comparator_noise_mv=2.0, comparator_offset_mv=8.0)
    spec = CimSpec(
        rows=1,
        columns=16,
        decomposition=decomposition,
        cell_bits=1,
        adc_bits=9,
        zero_skip=skip,
        physics=physics,
    )
    random = np.random.default_rng(7)
    weights, acts = random.integers(-128, 128, (5, 300)), random.integers(0, 256, (40, 300))
    if decomposition is Decomposition.POLARISED:
        weights = np.maximum(weights, 0)
    die = make_die(spec, 2)
    when = When(tokens=20, run=9, first=(1 << 32) - 777)
    # A step in which one count lies next to a threshold, of most columns within noise.
    window = Window(step=46, offset=-(46 << 8) if spec.signed else 0)
    assert suits(Layout.of(acts, weights, die, window, when, None, None, None))
    want = dot_product(acts, weights, die=die, window=window, when=when)
    with mock.patch("models.cim.fast.fast_product.WORTH", 0):
        got = fast_product(acts, weights, die=die, window=window, when=when)
    np.testing.assert_array_equal(got.values, want.values)
    quiet = dot_product(acts, weights, die=make_die(spec, 2, dynamic=False), window=window)
    assert (quiet.values != want.values).mean() > 0.1


def test_skipped_conversions_far_from_the_window() -> None:
    """Zero may have a code far outside: what skipped conversions add is part of the bound."""
    spec = find_preset("forms")
    random = np.random.default_rng(1)
    weights, acts = random.integers(0, 128, (10, 30)), random.integers(0, 4, (60, 30))
    die = make_die(spec, 0)
    window = Window(step=256, offset=-256 * 100_000)
    assert suits(Layout.of(acts, weights, die, window, None, None, None, None))
    want = dot_product(acts, weights, die=die, window=window)
    with mock.patch("models.cim.fast.fast_product.WORTH", 0):
        got = fast_product(acts, weights, die=die, window=window)
    np.testing.assert_array_equal(got.values, want.values)
