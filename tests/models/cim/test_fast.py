"""The fast product equals its definition in every bit, noise included."""

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
from models.cim.golden.adc import Window, full_range, unit_step
from models.cim.golden.macro import When, dot_product
from models.cim.physics import Physics

pytestmark = pytest.mark.slow


@st.composite
def _macros(draw: st.DrawFn, columns: int = 40) -> CimSpec:
    decomposition = draw(st.sampled_from(Decomposition))
    serial = decomposition is Decomposition.BIT_SERIAL
    relu = decomposition is Decomposition.NATIVE and draw(st.booleans())
    physics = Physics(
        mismatch_percent_um=draw(st.sampled_from([0.0, 1.0, 2.8, 20.0])),
        comparator_noise_mv=draw(st.sampled_from([0.0, 0.3, 1.0, 5.0])),
        bow_lsb=draw(st.sampled_from([0.0, 1.5])),
    )
    return CimSpec(
        rows=60,
        columns=draw(st.integers(16, columns)),
        decomposition=decomposition,
        cell_bits=8 if relu else 1 if serial else draw(st.integers(1, 3)),
        dac_bits=8 if relu else draw(st.integers(1, 4)),
        adc_bits=draw(st.integers(1, 10)),
        fraction=draw(st.integers(2, 7)),
        relu=relu,
        zero_skip=draw(st.booleans()),
        physics=physics,
    )


@settings(max_examples=60)
@given(_macros(), st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.booleans())
def test_fast_equals_definition(
    spec: CimSpec, seed: int, static: bool, dynamic: bool, table: bool
) -> None:
    with mock.patch("models.cim.fast.fast_product.WORTH", 1 << 60):
        _compare(spec, seed, static=static, dynamic=dynamic, table=table, windows=3)


@settings(max_examples=20)
@given(_macros(columns=300), st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_compiled_equals_definition(spec: CimSpec, seed: int, static: bool, dynamic: bool) -> None:
    """One window: each has a kernel of its own, which takes a second to compile.

    Columns are more than one block of sums.
    """
    pytest.importorskip("numba")
    with mock.patch("models.cim.fast.fast_product.WORTH", 0):
        _compare(spec, seed, static=static, dynamic=dynamic, table=False, windows=1, outputs=60)


def _compare(
    spec: CimSpec,
    seed: int,
    *,
    static: bool,
    dynamic: bool,
    table: bool,
    windows: int,
    outputs: int = 30,
) -> None:
    random = np.random.default_rng(seed)
    k = int(random.integers(1, 60 if spec.relu else 130))
    out, tokens = random.integers(1, outputs), int(random.integers(1, 5))
    weights = random.integers(-128, 128, (out, k))
    acts = random.integers(0, 256, (2 * tokens, k)) >> random.integers(0, 7)
    die = make_die(spec, int(random.integers(100)), static=static, dynamic=dynamic)
    decode = None
    if table:
        decode = random.integers(-500, 500, (spec.columns, 1 << spec.adc_bits))
    bias = random.integers(-500, 500, out) if spec.relu else None
    when = When(tokens=tokens, run=3, first=1000)
    some = [full_range(spec), unit_step(spec)]
    if not spec.zero_skip:
        some.insert(0, Window(step=int(random.integers(1, 900)), offset=77))
    parts = polarise(weights) if spec.decomposition is Decomposition.POLARISED else (weights,)
    for window in some[:windows]:
        for part in parts:
            arguments: dict[str, Any] = {
                "die": die, "window": window, "when": when, "decode": decode, "bias": bias,
            }  # fmt: skip
            want = dot_product(acts, part, **arguments)
            got = fast_product(acts, part, **arguments)
            np.testing.assert_array_equal(got.values, want.values)
            assert got.conversions == want.conversions
