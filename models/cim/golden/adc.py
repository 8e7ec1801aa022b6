"""The converters: registers of every column for an ADC window, and successive approximation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.cim.cim_spec import CimSpec
from models.cim.die import GAIN_BITS, Die
from models.cim.noise import Words, noise_byte
from models.numerics.rescale import Integers

Codes: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Window:
    """Meaning of a layer's codes: code ``k`` is ``offset + k * step``.

    Parameters
    ----------
    step, offset : int
        In units of ``2**-F`` count; ``step`` at least 1.
    """

    step: int
    offset: int = 0

    def __post_init__(self) -> None:
        if self.step < 1:
            raise ValueError(f"ADC step must be at least 1, not {self.step}")
        if max(self.step, abs(self.offset)) >= 1 << 31:
            raise ValueError(f"ADC step and offset must fit 32 bits, not {self.step}")


def full_range(spec: CimSpec) -> Window:
    """Return the window with the smallest step that covers every possible sum."""
    low = -spec.largest_count if spec.signed else 0
    span = (spec.largest_count - low) << spec.fraction
    step = max(1, -(-span // (1 << spec.adc_bits)))
    # The middle code is exactly zero, so that the first decision is the sign.
    return Window(step=step, offset=-(step << spec.adc_bits - 1) if spec.signed else 0)


def unit_step(spec: CimSpec, offset: int = 0, counts: int = 1) -> Window:
    """Return a window with a step of ``counts`` counts and code 0 at ``offset`` counts.

    If sums are signed the middle code, not code 0, is at ``offset``.
    """
    step = counts << spec.fraction
    middle = -(step << spec.adc_bits - 1) if spec.signed else 0
    return Window(step=step, offset=middle + (offset << spec.fraction))


@dataclass(frozen=True, kw_only=True, eq=False)
class Registers:
    """Hardware registers of a window, in units of ``2**-F`` count.

    ``threshold[column, code] = base[column] + sum of weights[column, bits of code] + bow[code]``.

    Attributes
    ----------
    base : int64 [columns]
    weights : int64 [columns, adc_bits]
    bow : int64 [2**adc_bits]
    thresholds : int64 [columns, 2**adc_bits]
        The sum above; entry 0 is never used in a comparison.
    """

    base: Integers
    weights: Integers
    bow: Integers
    thresholds: Integers


@dataclass(frozen=True, kw_only=True, eq=False)
class Trim:
    """Corrections of the converters' references from calibration, which enter the registers.

    Attributes
    ----------
    offset : int64 [columns]
        Added to every threshold, in units of ``2**-F`` count.
    gain : int64 [columns]
        Scale of the references; ``2**16`` is 1.
    bow : int64 [2**adc_bits]
        Added to threshold ``code`` of all columns; ``2**16`` is one ADC step.
    """

    offset: Integers
    gain: Integers
    bow: Integers


def registers(die: Die, window: Window, trim: Trim | None = None) -> Registers:
    """Compute the registers of every column for a window; integers, rounded half up.

    ``base = offset_c + (offset - step // 2) * gain``, ``weights = step * weight * gain``,
    ``bow = step * bow``, with gain and weights as fractions of ``2**16``; a trim scales ``gain``
    and adds to ``base`` and ``bow``.
    """
    gain, offset, bend = die.gain, die.offset, die.bow
    if trim is not None:
        gain = _rounded(gain * trim.gain)
        offset, bend = offset + trim.offset, bend + trim.bow
    relative = _rounded(die.weights * gain[:, None])
    base = offset + _rounded((window.offset - window.step // 2) * gain)
    weights = _rounded(window.step * relative)
    bow = _rounded(window.step * bend)
    codes = np.arange(1 << die.spec.adc_bits)
    bits = codes[:, None] >> np.arange(die.spec.adc_bits) & 1
    return Registers(
        base=base,
        weights=weights,
        bow=bow,
        thresholds=base[:, None] + weights @ bits.T + bow,
    )


def _rounded(x: Integers) -> Integers:
    return (x + (1 << GAIN_BITS - 1)) >> GAIN_BITS


def convert(
    sums: Integers,
    thresholds: Integers,
    spec: CimSpec,
    *,
    sampling: Integers | None = None,
    comparator: Integers | None = None,
    words: Words | None = None,
) -> Codes:
    """Convert by successive approximation, decision by decision: the reference definition.

    Parameters
    ----------
    sums : int [columns, n], units of ``2**-F`` count
    thresholds : int [columns, 2**adc_bits]
    sampling, comparator : int [256], optional
        Noise tables; with them ``words``, uint32 [words, columns, n]
        (:func:`models.cim.noise.column_words`).

    Returns
    -------
    int64 codes [columns, n]. With ``spec.relu`` a negative first decision ends the conversion with
    the middle code, which is zero.
    """
    value = sums.astype(np.int64)
    if words is not None and sampling is not None:
        value = value + sampling[noise_byte(words, spec.adc_bits)]
    code = np.zeros(sums.shape, dtype=np.int64)
    column = np.arange(len(sums))[:, None]
    for bit in range(spec.adc_bits - 1, -1, -1):
        trial = code | 1 << bit
        seen = value
        if words is not None and comparator is not None:
            seen = value + comparator[noise_byte(words, bit)]
        code = np.where(seen >= thresholds[column, trial], trial, code)
    if spec.relu:
        # A code without the first decision's bit is negative: its conversion ended there.
        code = np.maximum(code, 1 << spec.adc_bits - 1)
    return code
