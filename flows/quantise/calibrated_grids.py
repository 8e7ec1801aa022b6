"""Chooses the grid of an activation: scale, zero point and the codes in use."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from flows.quantise.calibration import Sample
from flows.quantise.float_layers import Reals
from flows.quantise.quant_points import Point

__all__ = ["Grid", "power_of_two_grid", "range_grid"]

_SHRINKS = np.linspace(1.0, 0.3, 57)
"""Candidate ranges as shares of the whole range; the first is the whole range."""
_SIGNED_FRACTION, _UNSIGNED_FRACTION = 40.0, 70.0


@dataclass(frozen=True)
class Grid:
    """``real = scale * (code - zero)`` for codes ``low`` to ``high`` within int8."""

    scale: float
    zero: int
    low: int = -128
    high: int = 127

    @property
    def clipped(self) -> bool:
        """True if fewer codes are in use than int8 has."""
        return self.low > -128 or self.high < 127

    @property
    def reals(self) -> tuple[float, float]:
        """Real numbers of the lowest and the highest code."""
        return self.scale * (self.low - self.zero), self.scale * (self.high - self.zero)

    def rounded(self, values: Reals) -> Reals:
        """Quantise and dequantise values on this grid."""
        codes = np.clip(np.rint(values / self.scale) + self.zero, self.low, self.high)
        return np.asarray(self.scale * (codes - self.zero))


def range_grid(point: Point, sample: Sample, bits: int) -> Grid:
    """Return the grid of least squared error on the sample, among shares of its whole range.

    Operands of a product of two activations get a symmetric grid without -128; probabilities, 0 to
    1, get codes 0 to 127.
    """
    if point.probability:
        return Grid(scale=_float32(1 / 127), zero=0, low=-128)
    if point.operand:
        peak = max(-sample.low, sample.high) or 1.0
        grids = [Grid(_float32(peak * share / 127), 0, -127) for share in _SHRINKS]
    else:
        low, high = min(sample.low, 0.0), max(sample.high, 0.0)
        grids = [_asymmetric(low * share, high * share, bits) for share in _SHRINKS]
    errors = [float(np.square(grid.rounded(sample.values) - sample.values).sum()) for grid in grids]
    return grids[int(np.argmin(errors))]


def power_of_two_grid(point: Point, sample: Sample) -> Grid:
    """Return a fixed-point grid: the scale is a power of two (times the point's unit).

    The fractional length follows from the standard deviation ``sigma``: ``floor(log2(40 / sigma))``
    for signed, ``floor(log2(70 / sigma))`` for unsigned tensors. For an unsigned tensor ``sigma``
    is that before its rectifier, estimated for a mean of 0: ``sigma**2`` is twice the mean square.

    Source: Jin et al., "F8Net: Fixed-Point 8-bit Only Multiplication for Network Quantization"
    (ICLR 2022), and the constants of its authors' code.
    """
    if point.probability:
        return Grid(scale=2.0**-7, zero=0)
    values = sample.values / point.unit
    unsigned = sample.low >= 0 and not point.operand
    if unsigned:
        sigma, fraction = math.sqrt(2 * float(np.square(values).mean())), _UNSIGNED_FRACTION
    else:
        sigma, fraction = float(values.std()), _SIGNED_FRACTION
    length = math.floor(math.log2(fraction / sigma)) if sigma > 0 else 0
    grid = Grid(scale=_float32(point.unit * 2.0**-length), zero=-128 if unsigned else 0)
    return replace(grid, low=-127) if point.operand else grid


def _asymmetric(low: float, high: float, bits: int) -> Grid:
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    scale = _float32((high - low) / (most - least)) or 1.0
    zero = int(np.clip(np.rint(least - low / scale), least, most))
    return Grid(scale, zero, least, most)


def _float32(value: float) -> float:
    """Round to float32, the precision of the file."""
    return float(np.float32(value))
