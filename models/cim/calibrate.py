"""Calibration in two steps, as practised on such macros: columns first, then one shared table.

Known counts (full cells, a known number of driven inputs) are converted. Step one fits a line to
each column's codes: its gain and offset. Step two fits a smooth curve to the residuals of all
columns: the non-linearity that all converters share. Both steps are iterated, each with the result
of the other. The result is a decode table for each column, or references that correct its errors
(:class:`models.cim.golden.adc.Trim`); the data path stays in integers.

Counts are integers, so with a step of one count a threshold error of a third of a step changes no
code. Therefore the window's offset is shifted by fractions of a step from sample to sample, and the
shift is subtracted from the result: the rounding error is then uniform for every count (subtractive
dither: L. Schuchman, "Dither signals and their effect on quantization noise", IEEE Trans. Comm.
Tech. 12, 1964).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from models.cim.cim_spec import CimSpec
from models.cim.die import GAIN_BITS, Die, noise_sigmas, offset_sigma
from models.cim.fast.fast_adc import FastConverter
from models.cim.fast.threshold_search import Search
from models.cim.golden.adc import Codes, Trim, Window, full_range, registers
from models.cim.golden.macro import cell_sums, column_sums
from models.cim.golden.weight_layout import DECODE_BITS
from models.cim.noise import column_words, run_keys, shared_words
from models.numerics.rescale import Integers

Reals = NDArray[np.float64]
_Fit = tuple[Reals, Reals, Reals]

_ORDER = 8
"""Degree of the polynomial fitted to the shared non-linearity."""
_PARTS = 8
"""Number of fractions of a step by which the offset is shifted."""
_GAIN_LIMIT = 2.0
"""Largest gain of a column, and the inverse of the smallest."""
_ROUNDS = 4
"""Iterations of both steps."""
_FIRST_RUN = 16
"""First run number of a calibration: lower ones are reserved for measurements of a die."""
_SPREAD = 0.5
"""Least standard deviation of sums, in steps, for a fitted line."""
_ENOUGH = 32
"""Least samples of a column for a fitted line."""
_CALIBRATION_RUN = 1 << 31
"""First run number for calibration; runs of images have lower numbers."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """Result of a calibration of one die.

    Attributes
    ----------
    gain : float [columns]
        Ratio of the true sum to the sum from the code.
    offset : float [columns]
        Offset in counts.
    inl : float [2**adc_bits]
        Non-linearity common to all columns, ADC steps.
    """

    gain: Reals
    offset: Reals
    inl: Reals

    def decode(self, die: Die, window: Window) -> Integers:
        """Return a window's decode table, int64 [columns, 2**adc_bits], in 1/256 ADC step."""
        one = float(1 << die.spec.fraction)
        codes = np.arange(len(self.inl))
        sums = window.offset + window.step * codes
        true = self.offset[:, None] * one + self.gain[:, None] * sums + window.step * self.inl
        scale = (1 << DECODE_BITS) / window.step
        table: Integers = np.rint((true - window.offset) * scale).astype(np.int64)
        if die.spec.relu:
            zero = len(self.inl) // 2
            table[:, : zero + 1] = zero << DECODE_BITS
        return table

    def trim(self, die: Die) -> Trim:
        """Return references that correct the errors found."""
        one = 1 << GAIN_BITS
        before = np.concatenate([self.inl[:1], self.inl[:-1]])
        return Trim(
            offset=np.rint(-self.offset * (1 << die.spec.fraction)).astype(np.int64),
            gain=np.rint(one / self.gain).astype(np.int64),
            bow=np.rint(-(before + self.inl) / 2 * one).astype(np.int64),
        )


def convert_counts(
    die: Die,
    window: Window,
    acts: NDArray[np.uint8],
    digits: NDArray[np.int16],
    run: int = 0,
) -> tuple[Codes, Integers]:
    """Convert plain column sums; return codes and counts.

    Parameters
    ----------
    acts : uint8 [n, depth]
        One conversion each, numbered from 0.
    digits : int16 [columns, depth]
    run : int
        Number of the calibration run, for the noise.

    Returns
    -------
    int64 codes [columns, n] and counts [columns, n].
    """
    columns = np.arange(die.spec.columns)
    sums = column_sums(acts, cell_sums(digits, die, columns))
    high = int(die.caps.sum((0, 2)).max()) * ((1 << die.spec.dac_bits) - 1)
    thresholds = registers(die, window).thresholds
    words = None
    if die.dynamic:
        keys = run_keys(die.noise_key, np.full(len(acts), _CALIBRATION_RUN + run))
        shared = shared_words(keys, np.arange(len(acts)), die.spec.words)
        words = column_words(shared, die.column_keys)
    search = Search(die, thresholds, -high if die.spec.signed else 0, high)
    codes = FastConverter(die, search)(sums.astype(np.int32), words).astype(np.int64)
    counts = digits.astype(np.int64) @ acts.T.astype(np.int64)
    return codes, counts


def known_counts(
    die: Die, window: Window, samples: int, largest: int | None = None, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Return inputs ``[samples, depth]`` and full cells ``[columns, depth]`` with uniform counts.

    Counts range from the window's begin (at least 0) to its end, or to ``largest``. The driven
    units differ from sample to sample, so that no single unit matters.
    """
    spec = die.spec
    random = np.random.default_rng([0xCA1, seed])
    drive = (1 << spec.dac_bits) - 1
    low, high = window.offset, window.offset + (window.step << spec.adc_bits)
    most = min(-(-max(high, -low) >> spec.fraction), largest or spec.largest_count)
    least = min(max(0, low >> spec.fraction), most - 1)
    # The smallest digit that reaches all counts gives the finest spacing of counts.
    digit = min(spec.largest_digit, max(1, -(-most // (spec.depth * drive))))
    total = np.linspace(least / digit, min(most / digit, spec.depth * drive), samples)
    total = np.floor(total + random.random(samples)).astype(np.int64)
    order = np.argsort(random.random((samples, spec.depth)), axis=1).argsort(axis=1)
    acts = np.clip(total[:, None] - order * drive, 0, drive).astype(np.uint8)
    return acts, np.full((spec.columns, spec.depth), digit, dtype=np.int16)


def calibrate(
    die: Die, window: Window | None = None, samples: int = 2048, largest: int | None = None
) -> Calibration:
    """Calibrate on ``samples`` known counts (per sign, if sums are signed).

    Parameters
    ----------
    window : Window, optional
        Window in which the calibration will be used; default: the full range.
    largest : int, optional
        Magnitude of counts up to which it must hold; default: the whole window.
    """
    spec = die.spec
    window = window or full_range(spec)
    step = window.step / (1 << spec.fraction)
    most = None if largest is None else largest + math.ceil(_margin(spec, step) * step)
    acts, digits = known_counts(die, window, samples, most)
    # Each fraction once in `_PARTS` samples, in random order, since counts grow with the samples.
    random = np.random.default_rng(0xD17)
    parts = random.permuted(np.tile(np.arange(_PARTS), (-(-samples // _PARTS), 1)), axis=1)
    part_of = parts.ravel()[:samples]
    signs = (1, -1) if spec.signed and not spec.relu else (1,)
    measured = []
    for run, (sign, part) in enumerate(product(signs, range(_PARTS)), _FIRST_RUN):
        moved = window.offset + window.step * (2 * part + 1 - _PARTS) // (2 * _PARTS)
        codes, counts = convert_counts(
            die, Window(step=window.step, offset=moved), acts[part_of == part], sign * digits, run
        )
        measured.append((codes, codes + moved / window.step, counts / step))
    codes, seen, sums = (np.hstack(kinds) for kinds in zip(*measured, strict=True))
    gain, offset, inl = _fit(die, window, codes, seen, sums)
    return Calibration(gain=gain, offset=offset * step, inl=inl)


def _margin(spec: CimSpec, step: float) -> float:
    """Return the largest distance, in steps, between a sum's codes before and after trimming."""
    bow = float(np.abs(spec.physics.bow(spec.adc_bits)).max())
    return bow + 3 * offset_sigma(spec) / step + 1


def _fit(die: Die, window: Window, codes: Codes, seen: Reals, sums: Reals) -> _Fit:
    """Fit gain, offset and INL of ``sums = offset + gain * seen + inl[code]``, all in steps.

    Both steps are iterated: a column with a large offset uses another part of the common bow, which
    must not be mistaken for a gain of the column.

    Only sums far enough from both ends not to saturate are used. A selection by code would be
    biased, as noise decides near the ends which samples are kept; only the first line uses it.
    """
    spec = die.spec
    last = (1 << spec.adc_bits) - 1
    first = 1 << spec.adc_bits - 1 if spec.relu else 0
    start_code = window.offset / window.step
    scale = np.arange(last + 1)
    noise = math.hypot(*noise_sigmas(spec)) * (1 << spec.fraction) / window.step
    edge = 3 * noise if die.dynamic else 0.0
    inside: NDArray[np.bool_] = (codes > first) & (codes < last)
    inl, bend = np.zeros(last + 1), np.zeros(sums.shape)
    for _ in range(_ROUNDS):
        slope, start = _lines(sums - bend, seen, inside)
        # The place of a sum ignores the shift of the window, so that rounding errors average out.
        place = start[:, None] + slope[:, None] * (sums - bend) - start_code
        chosen = (place >= first + edge) & (place <= last - edge)
        inside = np.where(chosen.sum(1, keepdims=True) >= _ENOUGH, chosen, inside)
        left = sums - (seen - start[:, None]) / slope[:, None]
        inl = _smooth(place[inside], left[inside], last + 1)
        if spec.relu:
            # An ended conversion decodes to zero in every column.
            inl[: len(inl) // 2] = 0
        bend = np.interp(place, scale, inl)
    gain, offset = 1 / slope, -start / slope
    # Move the mean gain of all columns to the common table, as a slope.
    common = float(gain.mean()) - 1
    inl = inl + common * (scale + start_code)
    if spec.relu:
        inl[: len(inl) // 2] = 0
    return gain - common, offset, inl


def _smooth(place: Reals, left: Reals, count: int) -> Reals:
    """Fit the common table: a polynomial through the residuals, which ignores the grid of counts.

    Differences between neighbouring codes are individual to columns, and average out.
    """
    if len(place) == 0:
        return np.zeros(count)
    near = np.clip(np.rint(place), 0, count - 1).astype(np.int64)
    sums = np.bincount(near, left, minlength=count)
    seen = np.bincount(near, minlength=count)
    known = np.flatnonzero(seen)
    order = min(_ORDER, len(known) // 4)
    x = np.linspace(-1, 1, count)
    weights = np.sqrt(seen[known])
    fitted = np.polynomial.chebyshev.chebfit(x[known], sums[known] / seen[known], order, w=weights)
    table = np.asarray(np.polynomial.chebyshev.chebval(x, fitted), dtype=np.float64)
    # Extend the ends as constants: codes beyond them were not measured.
    table[: known[0]], table[known[-1] + 1 :] = table[known[0]], table[known[-1]]
    return table


def _lines(x: Reals, y: Reals, use: NDArray[np.bool_]) -> tuple[Reals, Reals]:
    """Fit ``y = slope * x + start`` for each row by least squares, over the points in ``use``."""
    n = np.maximum(use.sum(1), 1)
    mean_x, mean_y = (x * use).sum(1) / n, (y * use).sum(1) / n
    dx, dy = (x - mean_x[:, None]) * use, (y - mean_y[:, None]) * use
    spread = (dx * dx).sum(1)
    # A slope from sums that hardly differ would be noise: leave it at 1.
    slope = np.ones(len(x))
    np.divide((dx * dy).sum(1), spread, out=slope, where=spread > n * _SPREAD**2)
    slope = np.clip(slope, 1 / _GAIN_LIMIT, _GAIN_LIMIT)
    return slope, mean_y - slope * mean_x


def residual(
    die: Die, calibration: Calibration | None, samples: int, seed: int = 1
) -> tuple[Reals, Reals]:
    """Measure errors of ``samples`` conversions of random weights and activations, in ADC steps.

    Returns
    -------
    errors float [samples] and the true values [samples], both in ADC steps.
    """
    spec = die.spec
    window = full_range(spec)
    random = np.random.default_rng([0x4E5, seed])
    each = -(-samples // spec.columns)
    # Each column has its own share of positive digits and of full cells, to cover the whole range.
    shape = (spec.columns, spec.depth)
    share = random.random((2, spec.columns, 1))
    digits = random.integers(1, spec.largest_digit + 1, shape)
    if spec.signed:
        digits = np.where(random.random(shape) < share[0], digits, -digits)
    digits = digits * (random.random(shape) < np.sqrt(share[1]))
    # Each sample has its own share of driven inputs, for the same reason.
    acts = random.integers(1, 1 << spec.dac_bits, (each, spec.depth))
    acts = acts * (random.random(acts.shape) < np.sqrt(random.random((each, 1))))
    codes, counts = convert_counts(
        die, window, acts.astype(np.uint8), digits.astype(np.int16), run=2
    )
    true = (counts * (1 << spec.fraction) - window.offset) / window.step
    if spec.relu:
        true = np.maximum(true, 1 << spec.adc_bits - 1)
    value = codes.astype(np.float64)
    if calibration is not None:
        table = calibration.decode(die, window)
        value = table[np.arange(spec.columns)[:, None], codes] / (1 << DECODE_BITS)
    errors = (value - true).ravel()[:samples]
    return errors, true.ravel()[:samples]
