"""How a format's values are taken apart into selections of shifted activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations

from models.formats import CodeBook

ZERO, NEAR, FAR = range(3)
"""What the last selection takes: nothing, the number itself, or the number shifted."""

Table = list[int | None]
"""An option for every code; none where it does not matter."""

MOST = 4
"""Options of a selection: four and two select bits fill a six-input LUT."""


@dataclass(frozen=True)
class ShiftPlan:
    """A magnitude is ``variant << middle << (far or 0)``, or nothing.

    ``variants`` are small multiples of an activation, ``middle`` and ``far`` shifts. The last
    selection (nothing, near or far) and the sign cost no LUT: an adder takes them in.
    """

    book: CodeBook
    variants: tuple[int, ...]
    middle: tuple[int, ...]
    far: int

    @cached_property
    def codes(self) -> list[tuple[int | None, int | None, int, int | None]]:
        """Variant, middle shift, last selection and sign of every code."""
        found: list[tuple[int | None, int | None, int, int | None]] = []
        for value in self.book.values.tolist():
            if not value:
                found.append((None, None, ZERO, None))
                continue
            ways = [
                (v, s, state)
                for state in ((NEAR, FAR) if self.far else (NEAR,))
                for s, shift in enumerate(self.middle)
                for v, variant in enumerate(self.variants)
                if variant << shift << (self.far if state == FAR else 0) == abs(value)
            ]
            if not ways:
                raise ValueError(f"plan must reach {value} of format {self.book.name}")
            found.append((*ways[0], int(value < 0)))
        return found

    @property
    def fine(self) -> Table:
        """Variant of each code."""
        return [code[0] for code in self.codes]

    @property
    def coarse(self) -> Table:
        """Middle shift of each code."""
        return [code[1] for code in self.codes]

    @property
    def state(self) -> Table:
        """Last selection of each code."""
        return [code[2] for code in self.codes]

    @property
    def negative(self) -> Table:
        """Sign of each code; that of zero does not matter (its inverse and one are zero again)."""
        return [code[3] for code in self.codes]

    @property
    def decoders(self) -> int:
        """LUTs that decode a code."""
        tables = (self.fine, self.coarse, self.state, self.negative)
        return sum(2 for t in tables if raw_bits(t, self.book.bits) is None)


def raw_bits(table: Sequence[int | None], bits: int) -> tuple[int, ...] | None:
    """The code's bits, two at most, that decide a selection without any decoder."""
    for count in range(3):
        for chosen in combinations(range(bits), count):
            seen: dict[int, int] = {}
            for code, option in enumerate(table):
                key = sum((code >> bit & 1) << i for i, bit in enumerate(chosen))
                if option is not None and seen.setdefault(key, option) != option:
                    break
            else:
                return chosen
    return None


@cache
def shift_plan(book: CodeBook) -> ShiftPlan | None:
    """The cheapest plan of a format; none if its values have too many odd factors."""
    magnitudes = sorted({abs(v) for v in book.values.tolist()} - {0})
    top = magnitudes[-1].bit_length()
    for middle in _middles(top):
        plans = [
            ShiftPlan(book, variants, middle, far)
            for far in range(top)
            for variants in _variants(set(magnitudes), _sums(middle, far))
        ]
        if plans:
            return min(plans, key=_cost)
    return None


def _middles(top: int) -> list[tuple[int, ...]]:
    pairs = [(0, s) for s in range(1, top)]
    return [(0,), *pairs, *((0, s, 2 * s, 3 * s) for s in range(1, top))]


def _variants(magnitudes: set[int], shifts: list[int]) -> list[tuple[int, ...]]:
    """The fewest numbers that reach all magnitudes by these shifts: all ways."""
    bases = {v >> s for v in magnitudes for s in shifts if not v % (1 << s)}
    for count in range(1, MOST + 1):
        ways = [
            variants
            for variants in combinations(sorted(bases), count)
            if magnitudes <= {v << s for v in variants for s in shifts}
        ]
        if ways:
            return ways
    return []


def _sums(middle: tuple[int, ...], far: int) -> list[int]:
    return sorted({s + f for s in middle for f in (0, far)})


def _cost(plan: ShiftPlan) -> float:
    """LUTs a product, roughly: bits of the first selection, shared multiples, decoders."""
    selection = 0 if len(plan.variants) == 1 else 8 + (plan.variants[-1] - 1).bit_length()
    odd = {v // (v & -v) for v in plan.variants} - {1}
    return selection + len(odd) + plan.decoders / 4
