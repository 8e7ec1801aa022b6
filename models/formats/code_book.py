"""What every row format is: a code book."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.numerics.rescale import Integers


class CodeBook(ABC):
    """``2**bits`` codes, each with an integer value in units of the row's least step.

    The golden product is always ``x * decode(w)``, summed exactly; hardware may use whatever
    structure the values have.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What files and the command line call it."""

    @property
    @abstractmethod
    def bits(self) -> int:
        """Bits of a code."""

    @cached_property
    @abstractmethod
    def values(self) -> Integers:
        """Value of every code, ``[2**bits]``; codes that no weight uses repeat another value."""

    @cached_property
    def grid(self) -> Integers:
        """The distinct values, ascending."""
        return np.unique(self.values)

    @property
    def fixed(self) -> bool:
        """Whether a row of the format multiplies, so that it can hold activations as well."""
        return False

    @property
    def largest(self) -> int:
        """Largest magnitude: bounds products and accumulators."""
        return int(np.abs(self.values).max())

    def decode(self, codes: ArrayLike) -> Integers:
        """Values of codes; any shape.

        Raises
        ------
        ValueError
            If a code is not 0 to ``2**bits - 1``.
        """
        index = np.asarray(codes, dtype=np.int64)
        if index.size and (index.min() < 0 or index.max() >= 1 << self.bits):
            worst = index.min() if index.min() < 0 else index.max()
            raise ValueError(f"{self.name} code must be 0 to {(1 << self.bits) - 1}, not {worst}")
        value: Integers = self.values[index]
        return value

    def encode(self, steps: ArrayLike) -> Integers:
        """Codes of the nearest values to real numbers given in units of the least step.

        Ties go to the value of smaller magnitude; what lies outside is clipped.
        """
        return self._code_of(self.nearest(steps))

    def nearest(self, steps: ArrayLike) -> Integers:
        """The values themselves, as :meth:`encode` picks them."""
        real = np.asarray(steps, dtype=np.float64)
        above = np.clip(np.searchsorted(self.grid, real), 1, len(self.grid) - 1)
        low, high = self.grid[above - 1], self.grid[above]
        middle = (low + high) / 2
        inner = np.where(np.abs(low) < np.abs(high), low, high)
        chosen: Integers = np.where(real == middle, inner, np.where(real < middle, low, high))
        return chosen

    def _code_of(self, values: Integers) -> Integers:
        # The first code of each value, so that encoding is a function.
        order = np.argsort(self.values, kind="stable")
        codes: Integers = order[np.searchsorted(self.values[order], values)]
        return codes

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CodeBook) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


def signed_codes(bits: int) -> NDArray[np.int64]:
    """Two's complement value of every code of ``bits`` bits."""
    codes = np.arange(1 << bits, dtype=np.int64)
    return np.where(codes >> (bits - 1), codes - (1 << bits), codes)
