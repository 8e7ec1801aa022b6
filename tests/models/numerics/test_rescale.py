"""Every tie rule against exact fractions; real ratios as integers; what is refused."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.numerics.rescale import SHIFT_MAX, Rounding, multiplier_for, rescale, shift_right

HALF = Fraction(1, 2)


def away(value: Fraction) -> int:
    """Nearest, ties away from zero."""
    rounded = math.floor(abs(value) + HALF)
    return rounded if value >= 0 else -rounded


def exact(value: int, shift: int, rule: Rounding) -> int:
    """``value / 2**shift`` under a tie rule, by its definition on fractions."""
    quotient = Fraction(value, 1 << shift)
    if rule is Rounding.FLOOR:
        return math.floor(quotient)
    if rule is Rounding.HALF_UP:
        return math.floor(quotient + HALF)
    if rule is Rounding.HALF_AWAY:
        return away(quotient)
    if rule is Rounding.HALF_EVEN:
        return round(quotient)
    if shift <= 31:
        return math.floor(quotient + HALF)
    high = math.floor(Fraction(value, 1 << 31) + HALF)
    return away(Fraction(high, 1 << shift - 31))


def ends(bits: int) -> st.SearchStrategy[int]:
    """Integers of so many signed bits, often at an end or beside zero."""
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    corners = st.sampled_from([low, low + 1, -1, 0, 1, high - 1, high])
    return st.integers(low, high) | corners


@st.composite
def near_ties(draw: st.DrawFn) -> tuple[int, int]:
    """A value and a shift: the value within two of a multiple of half a step, or anything."""
    shift = draw(st.integers(0, SHIFT_MAX))
    value = draw(ends(63))
    if draw(st.booleans()):
        half = 1 << max(shift - 1, 0)
        value = (value // half) * half + draw(st.integers(-2, 2))
    return max(-(1 << 62), min(value, (1 << 62) - 1)), shift


@pytest.mark.parametrize("rule", list(Rounding), ids=lambda rule: rule.name)
@settings(max_examples=300)
@given(case=near_ties())
def test_shift_is_exact(rule: Rounding, case: tuple[int, int]) -> None:
    value, shift = case
    assert int(shift_right(value, shift, rule)) == exact(value, shift, rule)


@pytest.mark.parametrize("rule", list(Rounding), ids=lambda rule: rule.name)
def test_every_tie_of_small_numbers(rule: Rounding) -> None:
    """All values of eight bits under all shifts up to nine, and around 2**31 for ``DOUBLE``."""
    small = np.arange(-128, 128)
    for offset, shifts in ((0, range(10)), (1 << 32, range(30, 36)), (-(1 << 33), range(30, 36))):
        for shift in shifts:
            values = offset + small * (1 << max(0, shift - 5) if offset else 1)
            got = shift_right(values, shift, rule).tolist()
            want = [exact(v, shift, rule) for v in values.tolist()]
            wrong = [i for i, (a, b) in enumerate(zip(got, want, strict=True)) if a != b]
            assert not wrong, (
                f"{rule.name}: {values[wrong[0]]} >> {shift} is {got[wrong[0]]}, "
                f"want {want[wrong[0]]}"
            )


@settings(max_examples=500)
@given(
    x=ends(32),
    multiplier=ends(32),
    addend=ends(43),
    shift=st.integers(0, SHIFT_MAX),
    rule=st.sampled_from(Rounding),
)
def test_rescale_is_exact(x: int, multiplier: int, addend: int, shift: int, rule: Rounding) -> None:
    total = x * multiplier + addend
    if addend >= -(1 << 42) and -(1 << 62) <= total < 1 << 62:
        assert int(rescale(x, multiplier, shift, rule, addend)) == exact(total, shift, rule)
    else:
        with pytest.raises(OverflowError, match="must fit 43 signed bits|must fit 63 signed bits"):
            rescale(x, multiplier, shift, rule, addend)


def test_rescale_broadcasts() -> None:
    """Parameters per channel, as the operators use it."""
    x = np.arange(-6, 6).reshape(3, 4)
    factors, shifts = np.array([1, 3, -5, 7]), np.array([0, 1, 2, 3])
    got = rescale(x, factors, shifts, Rounding.HALF_EVEN, np.array([0, 1, -1, 2]))
    want = [
        [exact(v * f + a, s, Rounding.HALF_EVEN) for v, f, a, s in zip(row, factors.tolist(),
         (0, 1, -1, 2), shifts.tolist(), strict=True)]
        for row in x.tolist()
    ]  # fmt: skip
    assert got.tolist() == want


@settings(max_examples=500)
@given(
    ratio=st.floats(2.0**-80, 2.0**30, exclude_max=True) | st.integers(-70, 29).map(math.exp2),
    bits=st.integers(2, 31),
)
def test_multiplier_is_the_closest(ratio: float, bits: int) -> None:
    if ratio >= 2.0 ** (bits - 1):
        ratio /= 2.0 ** (31 - bits)
    multiplier, shift = multiplier_for(ratio, bits)
    error = abs(Fraction(multiplier, 1 << shift) - Fraction(ratio))
    assert 0 <= multiplier < 1 << bits
    assert 0 <= shift <= SHIFT_MAX
    if shift < SHIFT_MAX:
        assert error <= Fraction(ratio) / (1 << bits)
    else:
        assert error <= Fraction(1, 1 << SHIFT_MAX + 1)


def test_multiplier_just_below_a_power_of_two() -> None:
    """Rounding up to the next power takes one bit off again."""
    assert multiplier_for(1 - 2.0**-40) == (1 << 30, 30)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: shift_right(1, -1, Rounding.FLOOR), ValueError, "shift must be 0 to 62, not -1"),
        (lambda: shift_right(1, [-1, 3], Rounding.FLOOR), ValueError, "0 to 62, not -1"),
        (lambda: shift_right(1, [0, 63], Rounding.FLOOR), ValueError, "0 to 62, not 63"),
        (lambda: rescale(1 << 31, 1, 0, Rounding.FLOOR), OverflowError,
         "rescale operand must fit 32 signed bits, not 2147483648"),
        (lambda: rescale([5, 1 << 31], 1, 0, Rounding.FLOOR), OverflowError,
         "operand must fit 32 signed bits, not 2147483648"),
        (lambda: rescale([-(1 << 31) - 1, 5], 1, 0, Rounding.FLOOR), OverflowError,
         "operand must fit 32 signed bits, not -2147483649"),
        (lambda: rescale(1, -(1 << 31) - 1, 0, Rounding.FLOOR), OverflowError,
         "rescale multiplier must fit 32 signed bits, not -2147483649"),
        (lambda: rescale(1, 1, 0, Rounding.FLOOR, [0, 1 << 42]), OverflowError,
         "rescale addend must fit 43 signed bits"),
        (lambda: rescale(1, 1, 0, Rounding.FLOOR, [-(1 << 42) - 1, 0]), OverflowError,
         "rescale addend must fit 43 signed bits"),
        (lambda: rescale(1, 1, 0, Rounding.FLOOR, 1 << 42), OverflowError,
         "rescale addend must fit 43 signed bits"),
        (lambda: rescale(-(1 << 31), -(1 << 31), 0, Rounding.FLOOR), OverflowError,
         "rescale sum must fit 63 signed bits"),
        (lambda: multiplier_for(0.0), ValueError,
         "scale ratio must be positive and finite, not 0.0"),
        (lambda: multiplier_for(math.inf), ValueError, "positive and finite, not inf"),
        (lambda: multiplier_for(math.nan), ValueError, "positive and finite, not nan"),
        (lambda: multiplier_for(2.0**31), ValueError, r"scale ratio must be below 2\*\*31, not"),
    ],
)  # fmt: skip
def test_refusals(call, error: type[Exception], text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=text):
        call()
