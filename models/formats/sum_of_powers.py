"""Sums of two powers of two (SP2)."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from models.formats.code_book import CodeBook
from models.numerics.rescale import Integers


class SumOfPowersOfTwo(CodeBook):
    """Sign and two terms, each 0 or a power of two: two shifts and an addition.

    With four bits the first term is 0, 1, 2 or 4 (two bits), the second one 0 or 4 (one bit), in
    units of an eighth of full scale: 0, 1, 2, 4, 5, 6, 8 and their negatives.

    Source: MSQ (Chang et al., "Mix and Match", HPCA 2021, equation 4).
    """

    @property
    def name(self) -> str:
        return "sp2"

    @property
    def bits(self) -> int:
        return 4

    @cached_property
    def values(self) -> Integers:
        codes = np.arange(16, dtype=np.int64)
        first = codes & 3
        magnitude = np.where(first == 0, 0, 1 << np.maximum(first - 1, 0)) + (codes >> 2 & 1) * 4
        values: Integers = np.where(codes >> 3, -magnitude, magnitude)
        return values
