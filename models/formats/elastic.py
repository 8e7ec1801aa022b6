"""Small floating-point formats: powers of two, elastic significant bits, FP4."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from models.formats.code_book import CodeBook
from models.numerics.rescale import Integers


class ElasticSignificantBits(CodeBook):
    """Sign, exponent ``e`` and ``significant`` mantissa bits ``m``, subnormals included.

    ``|value| = m`` for ``e = 0``, else ``(2**significant + m) << (e - 1)``. With no mantissa bit
    these are the powers of two and 0; with one and four bits the FP4 E2M1 grid in units of a half.

    Source: Gong et al., "Elastic Significant Bit Quantization and Acceleration for Deep Neural
    Networks" (2021); the FP4 grid is OCP's MX E2M1.

    Parameters
    ----------
    bits : int
        3 to 5, the sign included.
    significant : int
        Mantissa bits behind the leading one: 0 to ``bits - 2``.
    """

    def __init__(self, bits: int, significant: int) -> None:
        if not 3 <= bits <= 5:
            raise ValueError(f"elastic format bits must be 3 to 5, not {bits}")
        if not 0 <= significant <= bits - 2:
            raise ValueError(
                f"significant bits of {bits} bits must be 0 to {bits - 2}, not {significant}"
            )
        self._bits = bits
        self.significant = significant

    @property
    def name(self) -> str:
        return f"esb{self._bits}.{self.significant}" if self.significant else f"pot{self._bits}"

    @property
    def bits(self) -> int:
        return self._bits

    @property
    def exponent_bits(self) -> int:
        """Bits of ``e``."""
        return self._bits - 1 - self.significant

    @property
    def shift_max(self) -> int:
        """Largest left shift of the mantissa."""
        return (1 << self.exponent_bits) - 2

    @cached_property
    def values(self) -> Integers:
        codes = np.arange(1 << self._bits, dtype=np.int64)
        mantissa = codes & ((1 << self.significant) - 1)
        exponent = (codes >> self.significant) & ((1 << self.exponent_bits) - 1)
        normal = (mantissa + (1 << self.significant)) << np.maximum(exponent - 1, 0)
        magnitude = np.where(exponent == 0, mantissa, normal)
        return np.where(codes >> (self._bits - 1), -magnitude, magnitude)


def power_of_two(bits: int) -> ElasticSignificantBits:
    """``{0, +-2**e}`` with ``e`` up to ``2**(bits-1) - 2``: the format without mantissa bits."""
    return ElasticSignificantBits(bits, 0)
