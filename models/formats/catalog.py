"""Every format by name."""

from __future__ import annotations

import difflib

from models.formats.code_book import CodeBook
from models.formats.elastic import ElasticSignificantBits
from models.formats.fixed import Binary, Fixed, Ternary
from models.formats.sum_of_powers import SumOfPowersOfTwo


def _all() -> list[CodeBook]:
    formats: list[CodeBook] = [Fixed(bits) for bits in range(2, 9)]
    formats += [Binary(), Ternary(), SumOfPowersOfTwo()]
    for bits in (3, 4, 5):
        formats += [ElasticSignificantBits(bits, s) for s in range(bits - 1)]
    return formats


FORMATS: dict[str, CodeBook] = {book.name: book for book in _all()}
"""``fixed2`` to ``fixed8``, ``binary``, ``ternary``, ``sp2``, ``pot3`` to ``pot5``, ``esbB.S``."""


def find_format(name: str) -> CodeBook:
    """The format of this name.

    Raises
    ------
    ValueError
        If there is none; names the closest one.
    """
    if name in FORMATS:
        return FORMATS[name]
    close = difflib.get_close_matches(name, FORMATS, 1, 0.4)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"row format must be one of {', '.join(FORMATS)}, not {name!r}{hint}")
