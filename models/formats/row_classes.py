"""Row classes of an array: how many rows of which number format, in the order of their rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.formats import CodeBook, find_format
from models.numerics.rescale import Integers

EXAMPLE = "fixed8:12,pot4:20"

MOST_DIGITS = 9
"""Of a number of rows: those of more are no machine's, and of thousands no number of Python's."""


class RowClass(NamedTuple):
    """``rows`` rows whose weights are codes of ``format``."""

    format: str
    rows: int

    def __str__(self) -> str:
        """As one writes it: ``fixed8:12``."""
        return f"{self.format}:{self.rows}"

    @property
    def book(self) -> CodeBook:
        """The code book."""
        return find_format(self.format)

    @property
    def grid(self) -> Integers:
        """The weights its rows can hold, ascending.

        Fixed-point rows are narrow, ``-(2**(bits-1) - 1)`` at least: packed products need that.
        """
        grid = self.book.grid
        return grid[grid >= -grid[-1]] if self.fixed else grid

    @property
    def fixed(self) -> bool:
        """Whether its rows multiply, so that they can hold activations as well."""
        return self.book.fixed

    @property
    def slot(self) -> int:
        """Bits of a weight in memory: a power of two."""
        return 1 << (self.book.bits - 1).bit_length()

    def rows_per_word(self, tokens: int) -> int:
        """Rows that have an entry in a word of ``tokens`` entries of bytes."""
        return tokens * 8 // self.slot

    @property
    def largest(self) -> int:
        """Largest magnitude of a weight."""
        return int(np.abs(self.grid).max())

    def encode(self, weights: Integers) -> NDArray[np.uint8]:
        """Codes of weights on the grid, one a byte."""
        return self.book.encode(weights).astype(np.uint8)

    def decode(self, codes: Integers) -> Integers:
        """Weights of bytes that hold a code; bits above the code's are ignored."""
        return self.book.decode(codes & (1 << self.book.bits) - 1)


def row_classes(pairs: Iterable[Iterable[object]]) -> tuple[RowClass, ...]:
    """Checked row classes from ``(format, count)`` pairs.

    Raises
    ------
    ValueError
        If a format is unknown or a count not positive, or fixed rows do not come first.
    """
    found = []
    for pair in pairs:
        name, count = tuple(pair)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ValueError(
                f"rows of a class must be a positive whole number, not {count!r}; "
                f"for example {EXAMPLE}"
            )
        find_format(str(name))
        found.append(RowClass(str(name), count))
    late = [c.format for before, c in zip(found, found[1:], strict=False)
            if c.fixed and not before.fixed]  # fmt: skip
    if late:
        raise ValueError(f"fixed row classes must come first, not {late[0]} after another one")
    names = [c.format for c in found]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise ValueError(f"a row class must be given once, not {twice} twice")
    return tuple(found)


def parse_row_classes(text: str) -> tuple[RowClass, ...]:
    """Row classes from text such as ``fixed8:12,pot4:20``.

    Raises
    ------
    ValueError
        If the text has another form.
    """
    pairs: list[tuple[str, object]] = []
    for part in text.split(","):
        name, colon, count = part.strip().partition(":")
        if not colon or not count.strip().isdecimal():
            raise ValueError(f"rows must be FORMAT:COUNT pairs such as {EXAMPLE}, not {text!r}")
        if len(count.strip()) > MOST_DIGITS:
            raise ValueError(f"rows of a class must be of up to {MOST_DIGITS} digits, not {text!r}")
        pairs.append((name.strip(), int(count)))
    return row_classes(pairs)
