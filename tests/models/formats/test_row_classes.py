"""Row classes: text form, grids, codes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from models.formats import FORMATS
from models.formats.row_classes import RowClass, parse_row_classes


def test_text() -> None:
    assert parse_row_classes("fixed8:12, pot4:20") == (("fixed8", 12), ("pot4", 20))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixed8", "rows must be FORMAT:COUNT pairs such as fixed8:12,pot4:20, not 'fixed8'"),
        ("fixed8:x", "rows must be FORMAT:COUNT pairs such as fixed8:12,pot4:20, not 'fixed8:x'"),
        ("pot44:3", "row format must be one of ..., not 'pot44'; did you mean 'pot4'?"),
        ("pot4:0", "rows of a class must be a positive whole number, not 0; for example ..."),
        ("pot4:2,fixed8:3", "fixed row classes must come first, not fixed8 after another one"),
        ("pot4:2,pot4:3", "a row class must be given once, not pot4 twice"),
    ],
)
def test_refused(text: str, message: str) -> None:
    pattern = re.escape(message).replace(re.escape("..."), ".*")
    with pytest.raises(ValueError, match=f"^{pattern}$"):
        parse_row_classes(text)


@pytest.mark.parametrize("name", FORMATS)
def test_codes_of_the_whole_grid(name: str) -> None:
    """Every weight of the grid comes back; fixed grids are symmetric."""
    kind = RowClass(name, 1)
    codes = kind.encode(kind.grid)
    assert np.array_equal(kind.decode(codes.astype(np.int64)), kind.grid)
    assert np.array_equal(kind.grid, -kind.grid[::-1])
    assert kind.largest == kind.grid[-1]
    # Bits above the code's do not matter.
    above = codes.astype(np.int64) | 1 << kind.book.bits
    assert np.array_equal(kind.decode(above), kind.grid)
