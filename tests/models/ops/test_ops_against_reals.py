"""Integer operators against the real functions they stand for: the errors that docs/ops states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, seed, settings
from hypothesis import strategies as st

from models.numerics.rescale import Rounding
from models.ops.add import add, add_spec
from models.ops.layer_norm import layer_norm, layer_norm_spec
from models.ops.pool import Window, average_pool, average_pool_spec
from models.ops.softmax import softmax, softmax_spec

BOUND = 0.7
"""Codes: half is the output's own rounding."""


@seed(1)
@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.sampled_from([1, 2, 16, 96, 192, 768]),
    st.sampled_from([8, 16]),
    st.floats(0.002, 0.2),
)
def test_layer_norm(number: int, channels: int, bits: int, scale: float) -> None:
    # Few wide channels may lie so close together that the mean's rounding shows.
    assume(bits == 8 or channels >= 16)
    rng = np.random.default_rng(number)
    spread = 1 << rng.integers(2, bits)
    x = np.clip(rng.normal(0, spread, (40, channels)), -(1 << bits - 1), (1 << bits - 1) - 1)
    x = np.rint(x).astype(np.int64)
    gamma, beta = rng.normal(1, 0.4, channels), rng.normal(0, 0.5, channels)
    output_scale, epsilon = 4.0 / 127, 1e-5
    spec = layer_norm_spec(
        gamma, beta, epsilon=epsilon, input_scale=scale, output_scale=output_scale,
        output_zero=3, input_bits=bits,
    )  # fmt: skip
    real = x * scale
    deviation = real - real.mean(-1, keepdims=True)
    normal = deviation / np.sqrt(real.var(-1, keepdims=True) + epsilon)
    want = np.clip((normal * gamma + beta) / output_scale + 3, -128, 127)
    got = layer_norm(x, spec)
    # 16-bit inputs keep no fraction of the mean: with small spreads that is what limits them.
    bound = BOUND if bits == 8 or spread >= 256 else BOUND + 60.0 / spread
    worst = np.abs(got - want).max()
    assert worst < bound, f"{worst:.3f} codes (seed {number})"


@seed(2)
@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 300), st.floats(0.005, 0.3))
def test_softmax(number: int, keys: int, scale: float) -> None:
    rng = np.random.default_rng(number)
    x = rng.integers(-128, 128, (50, keys))
    spec = softmax_spec(input_scale=scale, output_scale=1 / 256, output_zero=-128)
    e = np.exp((x - x.max(-1, keepdims=True)) * scale)
    want = np.clip(e / e.sum(-1, keepdims=True) * 256 - 128, -128, 127)
    worst = np.abs(softmax(x, spec) - want).max()
    assert worst < BOUND, f"{worst:.3f} codes (seed {number})"


@seed(3)
@settings(max_examples=60)
@given(st.integers(0, 10**6), st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.floats(0.05, 1.0))
def test_add(number: int, a_scale: float, b_scale: float, output_scale: float) -> None:
    rng = np.random.default_rng(number)
    a, b = rng.integers(-128, 128, (2, 500))
    spec = add_spec(
        a_scale=a_scale, b_scale=b_scale, output_scale=output_scale, a_zero=3, b_zero=-9,
        output_zero=1,
    )  # fmt: skip
    real = ((a - 3) * a_scale + (b + 9) * b_scale) / output_scale + 1
    worst = np.abs(add(a, b, spec) - np.clip(real, -128, 127)).max()
    assert worst < 0.5 + 1e-3, f"{worst:.4f} codes (seed {number})"


@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (7, 7), (14, 14)])
def test_average_is_the_exact_quotient(kernel: tuple[int, int]) -> None:
    """With equal scales and HALF_AWAY: integer division rounded half away from zero."""
    count = kernel[0] * kernel[1]
    totals = np.arange(-128 * count, 127 * count + 1)
    # One window a total: as many -128 and 127 as it takes, and one code for the rest.
    codes = np.empty((len(totals), count), dtype=np.int64)
    codes[:] = totals[:, None] // count
    codes += np.arange(count) < (totals % count)[:, None]
    x = codes.reshape(-1, *kernel, 1)
    assert (codes.sum(1) == totals).all()
    window = Window(kernel=kernel, stride=kernel)
    spec = average_pool_spec(window, *kernel, rounding=Rounding.HALF_AWAY)
    want = np.sign(totals) * ((2 * np.abs(totals) + count) // (2 * count))
    assert (average_pool(x, spec).reshape(-1) == want).all()


@pytest.mark.parametrize("scale", [1e-4, 5e-4, 2e-3])
def test_softmax_of_wide_codes(scale: float) -> None:
    """Codes of 16 bits share bins of the table: off by half a bin at most, and to both sides."""
    distance = np.random.default_rng(5).integers(0, min(int(4 / scale), 60_000), 4000)
    x = np.stack([np.full(4000, 30_000), 30_000 - distance], axis=-1)
    spec = softmax_spec(
        input_scale=scale, output_scale=1 / 16384, output_zero=0, input_bits=16, low=0, high=16384
    )
    width = scale * 2.0**spec.input_shift
    assert 16.0 / 1024 <= width <= 16.0 / 512
    e = np.exp(-distance * scale)
    p = e / (1 + e)
    # In bins of the exponent, where codes are finer than bins.
    error = (softmax(x, spec)[:, 1] / 16384 - p) / (p * (1 - p) * width)
    assert np.abs(error).max() < 0.7
    assert abs(error.mean()) < 0.15
