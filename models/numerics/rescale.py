"""Rescaling: one integer multiply, one right shift, and a *named* tie rule.

Every place where the project narrows a wide integer goes through :func:`rescale`. The field uses at
least five rules that agree everywhere except on ties (and, for ``DOUBLE``, next to them); naming
the rule in the type is what keeps golden, program and RTL on the same one.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Integers: TypeAlias = NDArray[np.int64]

SHIFT_MAX = 62
"""Largest right shift in bits: a product of two 32-bit numbers has 63 magnitude bits."""

MULTIPLIER_MAX = (1 << 31) - 1


class Rounding(IntEnum):
    """Tie rule of a right shift; the value is the code used in programs.

    ======================  ======================================================================
    ``FLOOR``               towards minus infinity (a plain arithmetic shift)
    ``HALF_UP``             nearest, ties towards plus infinity (TFLite "single rounding")
    ``HALF_AWAY``           nearest, ties away from zero
    ``HALF_EVEN``           nearest, ties to the even number (ONNX ``QuantizeLinear``, F8Net)
    ``DOUBLE``              TFLite/CMSIS-NN: shift by 31 with ``HALF_UP`` (the doubling high
                            multiply), then by the rest with ``HALF_AWAY``; shifts up to 31 are a
                            single ``HALF_UP``
    ======================  ======================================================================
    """

    FLOOR = 0
    HALF_UP = 1
    HALF_AWAY = 2
    HALF_EVEN = 3
    DOUBLE = 4


def shift_right(x: ArrayLike, shift: ArrayLike, rounding: Rounding) -> Integers:
    """Divide integers by ``2**shift`` under a tie rule.

    Parameters
    ----------
    x : int64 array, any shape
    shift : int array broadcastable to ``x``, 0 to 62
    rounding : Rounding

    Raises
    ------
    ValueError
        If a shift is outside 0..62.
    """
    value = np.asarray(x, dtype=np.int64)
    amount = np.asarray(shift, dtype=np.int64)
    if amount.size and (amount.min() < 0 or amount.max() > SHIFT_MAX):
        bad = amount.min() if amount.min() < 0 else amount.max()
        raise ValueError(f"shift must be 0 to {SHIFT_MAX}, not {bad}")
    rule = Rounding(rounding)
    if rule is Rounding.DOUBLE:
        high = (value + (1 << 30)) >> 31
        value = np.where(amount > 31, high, value)
        first = _single(value, np.minimum(amount, 31), Rounding.HALF_UP)
        rest = _single(value, np.maximum(amount - 31, 0), Rounding.HALF_AWAY)
        chosen: Integers = np.where(amount > 31, rest, first)
        return chosen
    return _single(value, amount, rule)


def _single(value: Integers, amount: Integers, rule: Rounding) -> Integers:
    floor: Integers = value >> amount
    if rule is Rounding.FLOOR:
        return floor
    # Half bit and sticky bits instead of "add half, shift": no 65th bit is ever needed.
    below = np.maximum(amount - 1, 0)
    half = np.where(amount > 0, (value >> below) & 1, 0)
    up: Integers = half
    if rule is not Rounding.HALF_UP:
        sticky = (value & ((np.int64(1) << below) - 1)) != 0
        away = value >= 0 if rule is Rounding.HALF_AWAY else (floor & 1) != 0
        up = half & (sticky | away)
    rounded: Integers = floor + up
    return rounded


def rescale(
    x: ArrayLike,
    multiplier: ArrayLike,
    shift: ArrayLike,
    rounding: Rounding,
    addend: ArrayLike = 0,
) -> Integers:
    """``round((x * multiplier + addend) / 2**shift)`` in exact integers.

    Parameters
    ----------
    x : int64 array, each within 32 signed bits
    multiplier, shift, addend : int arrays broadcastable to ``x``
    rounding : Rounding

    Returns
    -------
    int64 array, the broadcast shape.

    Raises
    ------
    OverflowError
        If an operand leaves 32 bits or the sum leaves 63: the hardware has no more.
    """
    value = np.asarray(x, dtype=np.int64)
    factor = np.asarray(multiplier, dtype=np.int64)
    extra = np.asarray(addend, dtype=np.int64)
    for name, operand in (("operand", value), ("multiplier", factor)):
        if operand.size and (operand.min() < -(1 << 31) or operand.max() >= 1 << 31):
            worst = operand.max() if operand.max() >= 1 << 31 else operand.min()
            raise OverflowError(f"rescale {name} must fit 32 signed bits, not {worst}")
    if extra.size and max(int(extra.max()), -int(extra.min()) - 1) >= 1 << 42:
        raise OverflowError("rescale addend must fit 43 signed bits")
    product = value * factor
    total = product + extra
    if total.size and (total.min() < -(1 << 62) or total.max() >= 1 << 62):
        raise OverflowError("rescale sum must fit 63 signed bits")
    return shift_right(total, shift, rounding)


def multiplier_for(ratio: float, bits: int = 31, shift_max: int = SHIFT_MAX) -> tuple[int, int]:
    """The integer ``(multiplier, shift)`` closest to a positive real ``ratio``.

    ``multiplier / 2**shift`` differs from ``ratio`` by at most ``2**-bits`` relative, unless the
    shift hits its limit. This is the only place where a real scale becomes integers.

    Raises
    ------
    ValueError
        If ``ratio`` is not positive and finite, or too large for ``bits`` bits.
    """
    if not (np.isfinite(ratio) and ratio > 0):
        raise ValueError(f"scale ratio must be positive and finite, not {ratio}")
    mantissa, exponent = np.frexp(ratio)
    shift = bits - int(exponent)
    if shift > shift_max:
        return int(np.rint(ratio * 2.0**shift_max)), shift_max
    multiplier = int(np.rint(mantissa * 2.0**bits))
    if multiplier == 1 << bits:
        multiplier, shift = multiplier >> 1, shift - 1
    if shift < 0:
        raise ValueError(f"scale ratio must be below 2**{bits}, not {ratio}")
    return multiplier, shift
