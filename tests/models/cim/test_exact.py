"""Without errors and with a step of one count, the macro is the exact product."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cim.cim_spec import CimSpec, Decomposition
from models.cim.decompose import paired_acts, paired_weights, polarise
from models.cim.die import make_die
from models.cim.golden.adc import unit_step
from models.cim.golden.macro import When, dot_product

pytestmark = pytest.mark.slow


@st.composite
def _macros(draw: st.DrawFn) -> CimSpec:
    decomposition = draw(st.sampled_from(Decomposition))
    serial = decomposition is Decomposition.BIT_SERIAL
    cell_bits = 1 if serial else draw(st.integers(1, 3))
    dac_bits = draw(st.integers(1, 3))
    largest = ((1 << cell_bits) - 1) * ((1 << dac_bits) - 1)
    span = 1022 // (2 if decomposition is Decomposition.NATIVE else 1)
    depth = draw(st.integers(1, min(64, max(1, span // largest))))
    return CimSpec(
        rows=depth * draw(st.integers(1, 2)),
        group=depth,
        columns=draw(st.integers(16, 40)),
        decomposition=decomposition,
        cell_bits=cell_bits,
        dac_bits=dac_bits,
        adc_bits=10,
        fraction=draw(st.integers(1, 8)),
        zero_skip=draw(st.booleans()),
    )


@settings(max_examples=40)
@given(_macros(), st.integers(0, 2**32 - 1), st.integers(2, 8))
def test_lossless_macro_is_exact(spec: CimSpec, seed: int, bits: int) -> None:
    random = np.random.default_rng(seed)
    k, out, n = random.integers(1, 150), random.integers(1, 20), random.integers(1, 9)
    weights = random.integers(-(1 << bits - 1), 1 << bits - 1, (out, k))
    acts = random.integers(0, 256, (n, k)) >> random.integers(0, 8)
    die = make_die(spec, 0, static=False, dynamic=False)
    polarised = spec.decomposition is Decomposition.POLARISED
    parts = polarise(weights) if polarised else (weights,)
    got = sum(dot_product(acts, part, die=die, window=unit_step(spec)).values for part in parts)
    np.testing.assert_array_equal(got, acts @ weights.T)
    if polarised:
        both, twice = paired_weights(weights, spec.depth), paired_acts(acts, spec.depth)
        paired = dot_product(twice, both, die=die, window=unit_step(spec))
        np.testing.assert_array_equal(paired.values, got)


@pytest.mark.parametrize("decomposition", list(Decomposition))
def test_results_do_not_depend_on_tiling(decomposition: Decomposition) -> None:
    spec = CimSpec(rows=16, columns=40, decomposition=decomposition, adc_bits=5)
    die = make_die(spec, 5)
    random = np.random.default_rng(1)
    weights = random.integers(0, 128, (7, 40))
    acts = random.integers(0, 256, (12, 40))
    window = unit_step(spec)
    whole = dot_product(acts, weights, die=die, window=window, when=When(tokens=3, run=4))
    for run in range(4):
        part = acts[3 * run : 3 * run + 3]
        at = When(tokens=3, run=4 + run)
        alone = dot_product(part, weights, die=die, window=window, when=at)
        np.testing.assert_array_equal(alone.values, whole.values[3 * run : 3 * run + 3])
        assert alone.conversions == whole.conversions


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_relu_macro_is_exact_relu(seed: int) -> None:
    random = np.random.default_rng(seed)
    spec = CimSpec(
        rows=8,
        columns=12,
        decomposition=Decomposition.NATIVE,
        weight_bits=4,
        cell_bits=4,
        act_bits=3,
        dac_bits=3,
        adc_bits=10,
        relu=True,
    )
    die = make_die(spec, 0, static=False, dynamic=False)
    k = int(random.integers(1, 9))
    weights = random.integers(-8, 8, (30, k))
    acts = random.integers(0, 8, (5, k))
    bias = random.integers(-50, 50, 30)
    got = dot_product(acts, weights, die=die, window=unit_step(spec), bias=bias)
    np.testing.assert_array_equal(got.values, np.maximum(acts @ weights.T + bias, 0))
    assert got.conversions == -(-30 // 12) * 5


def test_static_and_dynamic_errors_are_separate() -> None:
    spec = CimSpec(rows=64, columns=64, adc_bits=6)
    both = make_die(spec, 3)
    static = make_die(spec, 3, dynamic=False)
    dynamic = make_die(spec, 3, static=False)
    np.testing.assert_array_equal(both.caps, static.caps)
    np.testing.assert_array_equal(both.comparator, dynamic.comparator)
    assert not static.comparator.any()
    assert (dynamic.caps == 1 << spec.fraction).all()
