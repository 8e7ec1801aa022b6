"""Every code of every format against a definition written independently of the code books."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np
import pytest

from models.formats import (
    FORMATS,
    CodeBook,
    ElasticSignificantBits,
    Fixed,
    find_format,
    power_of_two,
)


def fixed(bits: int) -> set[int]:
    return set(range(-(2 ** (bits - 1)), 2 ** (bits - 1)))


def elastic(bits: int, significant: int) -> set[int]:
    """Numbers whose binary form is at most ``significant + 1`` bits long, shifted left."""
    exponents = 2 ** (bits - 1 - significant)
    found = {0}
    for mantissa, exponent in product(range(2**significant), range(exponents)):
        # A minifloat with subnormals, read as a fraction and scaled by its least step.
        lead = 1.0 if exponent else 0.0
        value = (lead + mantissa / 2**significant) * 2.0 ** (max(exponent, 1) - 1)
        found.add(round(value * 2**significant))
    return found | {-v for v in found}


def sum_of_powers() -> set[int]:
    """MSQ's fractions for four bits, in eighths."""
    first = {0.0, 1 / 8, 1 / 4, 1 / 2}
    second = {0.0, 1 / 2}
    found = {round(8 * (a + b)) for a, b in product(first, second)}
    return found | {-v for v in found}


def definition(book: CodeBook) -> set[int]:
    name = book.name
    if name.startswith("fixed"):
        return fixed(int(name[5:]))
    if name.startswith("pot"):
        return elastic(int(name[3:]), 0)
    if name.startswith("esb"):
        return elastic(int(name[3]), int(name[5]))
    return {"binary": {-1, 1}, "ternary": {-1, 0, 1}, "sp2": sum_of_powers()}[name]


def books() -> Iterable[CodeBook]:
    return FORMATS.values()


@pytest.mark.parametrize("book", books(), ids=lambda b: b.name)
def test_every_value(book: CodeBook) -> None:
    values = book.decode(np.arange(1 << book.bits))
    assert set(values.tolist()) == definition(book)
    assert set(book.grid.tolist()) == definition(book)
    assert book.largest == max(abs(v) for v in definition(book))


@pytest.mark.parametrize("book", books(), ids=lambda b: b.name)
def test_encode_picks_the_nearest_value(book: CodeBook) -> None:
    reach = book.largest * 1.3 + 1
    steps = np.concatenate([np.linspace(-reach, reach, 4001), (book.grid[1:] + book.grid[:-1]) / 2])
    got = book.decode(book.encode(steps))
    grid = sorted(definition(book))
    for step, value in zip(steps.tolist(), got.tolist(), strict=True):
        best = min(grid, key=lambda v: (abs(v - step), abs(v)))
        assert abs(value - step) == abs(best - step), f"{book.name}: {step} became {value}"
        assert abs(value) <= abs(best), f"{book.name}: tie {step} became {value}"
    assert (book.decode(book.encode(book.grid)) == book.grid).all()


def test_known_grids() -> None:
    """FP4 E2M1 in halves; powers of two; both stated in the literature."""
    fp4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert ElasticSignificantBits(4, 1).grid[7:].tolist() == [2 * v for v in fp4]
    assert power_of_two(4).grid[7:].tolist() == [0, 1, 2, 4, 8, 16, 32, 64]
    assert power_of_two(3) == ElasticSignificantBits(3, 0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Fixed(9), "fixed bits must be 2 to 8, not 9"),
        (lambda: ElasticSignificantBits(6, 1), "elastic format bits must be 3 to 5, not 6"),
        (
            lambda: ElasticSignificantBits(4, 3),
            "significant bits of 4 bits must be 0 to 2, not 3",
        ),
        (lambda: Fixed(4).decode([3, 16]), "fixed4 code must be 0 to 15, not 16"),
        (lambda: Fixed(4).decode([-1, 3]), "fixed4 code must be 0 to 15, not -1"),
    ],
)
def test_errors(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        make()  # type: ignore[operator]


def test_unknown_format_is_met_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match=r"^row format must be one of fixed2, .* not 'pot6'; did"):
        find_format("pot6")
    assert find_format("sp2").name == "sp2"


def test_a_format_is_its_name() -> None:
    """Equal names are equal formats; another format, or a text, is not."""
    assert Fixed(4) == Fixed(4)
    assert hash(Fixed(4)) == hash(Fixed(4))
    assert Fixed(4) != Fixed(5)
    assert Fixed(4) != "fixed4"
