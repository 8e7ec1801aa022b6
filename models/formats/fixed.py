"""Formats with evenly spaced values."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from models.formats.code_book import CodeBook, signed_codes
from models.numerics.rescale import Integers


class Fixed(CodeBook):
    """Two's complement of 2 to 8 bits: ``-2**(bits-1) .. 2**(bits-1) - 1``."""

    def __init__(self, bits: int) -> None:
        if not 2 <= bits <= 8:
            raise ValueError(f"fixed bits must be 2 to 8, not {bits}")
        self._bits = bits

    @property
    def name(self) -> str:
        return f"fixed{self._bits}"

    @property
    def bits(self) -> int:
        return self._bits

    @property
    def fixed(self) -> bool:
        return True

    @cached_property
    def values(self) -> Integers:
        return signed_codes(self._bits)


class Binary(CodeBook):
    """One sign bit: 0 is +1, 1 is -1 (VAQF, with a scale for each row)."""

    @property
    def name(self) -> str:
        return "binary"

    @property
    def bits(self) -> int:
        return 1

    @cached_property
    def values(self) -> Integers:
        return np.array([1, -1], dtype=np.int64)


class Ternary(CodeBook):
    """-1, 0, 1 in two's complement of two bits; the fourth code counts as 0."""

    @property
    def name(self) -> str:
        return "ternary"

    @property
    def bits(self) -> int:
        return 2

    @cached_property
    def values(self) -> Integers:
        return np.array([0, 1, 0, -1], dtype=np.int64)
