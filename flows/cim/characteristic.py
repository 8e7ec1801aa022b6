"""Measurements of one die's converters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Characteristic"]

Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Characteristic:
    """Measurements of one die, full-range window; errors in ADC steps.

    Attributes
    ----------
    counts, codes : float [counts], [columns, counts]
        Transfer: mean code of every known count that was converted.
    inl, dnl : float [columns, 2**adc_bits - 1]
        Of every threshold against the line through the first and the last, and of neighbours.
    noise : int [n]
        Codes of one known count, converted often.
    before, after : float [samples]
        Errors of random conversions, without and with calibration.
    true : float [samples]
        What they should have been.
    """

    counts: Reals
    codes: Reals
    inl: Reals
    dnl: Reals
    noise: NDArray[np.int64]
    before: Reals
    after: Reals
    true: Reals

    def facts(self) -> dict[str, float]:
        """The figures one would quote."""
        return {
            "largest_inl_lsb": float(np.abs(self.inl).max()),
            "largest_dnl_lsb": float(np.abs(self.dnl).max()) if self.dnl.size else 0.0,
            "code_noise_lsb": float(self.noise.std()),
            "residual_before_lsb": float(np.abs(self.before).max()),
            "residual_after_lsb": float(np.abs(self.after).max()),
            "rms_before_lsb": float(np.sqrt((self.before**2).mean())),
            "rms_after_lsb": float(np.sqrt((self.after**2).mean())),
        }
