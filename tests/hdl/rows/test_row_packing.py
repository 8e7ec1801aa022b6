"""Packed products come apart exactly, up to the limit and no further; no block exceeds it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib.wiring import Component, In, Out

from hdl.rows.packed import PackedRows
from models.cost.dsp_slice import PORT_WIDTH, RESULT_WIDTH
from models.cost.slice_packing import Packing, packing
from tests.support.hdl.formal import prove_equal

WIDTHS = [(8, 8), (4, 8), (4, 4), (2, 8), (3, 9), (8, 4), (5, 6)]


def wide(p: Packing, lower: int, upper: int) -> int:
    return (upper << p.row_offset) + lower


def narrow(p: Packing, low: int, high: int) -> int:
    return (high << p.token_offset) + low if p.tokens == 2 else low


def split(p: Packing, word: int) -> list[int]:
    """Sums of the fields as the block hands them on: a field, and the one it lent below."""
    found = []
    for index in range(2 * p.tokens):
        at = index * p.field
        part = word >> at & (1 << p.field) - 1
        signed_part = part - (part >> p.field - 1 << p.field)
        found.append(signed_part + (word >> at - 1 & 1 if index else 0))
    return found


def sums(p: Packing, w0: int, w1: int, x0: int, x1: int, count: int) -> list[int]:
    pairs = ((w0, x0), (w0, x1), (w1, x0), (w1, x1)) if p.tokens == 2 else ((w0, x0), (w1, x0))
    return [count * w * x for w, x in pairs]


class Fields(Component):
    """Free numbers, as they are or read from the fields of a word that has them summed up.

    The least number of a field is left out: no sum within the limit is that small.
    """

    def __init__(self, field: int, fields: int, *, packed: bool) -> None:
        self.field, self.fields, self.packed = field, fields, packed
        ports = {f"i{k}": In(signed(field)) for k in range(fields)}
        super().__init__(ports | {f"o{k}": Out(signed(field + 1)) for k in range(fields)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports = [getattr(self, f"i{k}") for k in range(self.fields)]
        numbers = [Mux(n == -(1 << self.field - 1), 0, n) for n in ports]
        word = Signal(self.field * self.fields)
        total = sum((n << k * self.field for k, n in enumerate(numbers[1:], 1)), start=numbers[0])
        m.d.comb += word.eq(total)
        for k, number in enumerate(numbers):
            at = k * self.field
            part = word[at : at + self.field].as_signed()
            read = part + word[at - 1] if k else part
            m.d.comb += getattr(self, f"o{k}").eq(read if self.packed else number)
        return m


@pytest.mark.parametrize("family", ["xc7", "xcup"])
@pytest.mark.parametrize("widths", WIDTHS)
def test_any_fields_come_apart(family: str, widths: tuple[int, int], tmp_path: Path) -> None:
    """By a solver, for all numbers a field holds, in all fields at once."""
    p = packing(family, *widths)
    gold, gate = (Fields(p.field, 2 * p.tokens, packed=packed) for packed in (False, True))
    prove_equal(gold, gate, tmp_path)


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_every_product_of_four_by_four_bits(family: str) -> None:
    p = packing(family, 4, 4)
    w = np.arange(-7, 8)
    x = np.arange(-8, 8)
    w0, w1, x0, x1 = (a.ravel() for a in np.meshgrid(w, w, x, x, indexing="ij"))
    for count in (1, p.limit):
        word = count * ((w1 << p.row_offset) + w0) * ((x1 << p.token_offset) + x0)
        for index, want in enumerate((w0 * x0, w0 * x1, w1 * x0, w1 * x1)):
            at = index * p.field
            part = word >> at & (1 << p.field) - 1
            part = part - (part >> p.field - 1 << p.field)
            got = part + ((word >> at - 1 & 1) if index else 0)
            assert (got == count * want).all()


@pytest.mark.parametrize("family", ["xc7", "xcup"])
@pytest.mark.parametrize("widths", WIDTHS)
def test_corners_to_the_limit_and_beyond(family: str, widths: tuple[int, int]) -> None:
    """All corner operands: exact sums of ``limit`` products, and a wrong one of one more."""
    p = packing(family, *widths)
    weight, low, high = (1 << widths[0] - 1) - 1, -(1 << widths[1] - 1), (1 << widths[1] - 1) - 1
    corners = list(
        product((-weight, 0, weight), (-weight, 0, weight), (low, 0, high), (low, 0, high))
    )
    for count in (1, p.limit - 1, p.limit):
        for w0, w1, x0, x1 in corners:
            word = count * wide(p, w0, w1) * narrow(p, x0, x1)
            assert -(1 << RESULT_WIDTH - 1) <= word < 1 << RESULT_WIDTH - 1
            assert split(p, word) == sums(p, w0, w1, x0, x1, count)
            port = 1 << PORT_WIDTH[family] - 1
            assert -port <= wide(p, w0, w1) < port
    over = p.limit + 1
    assert any(
        split(p, over * wide(p, w0, w1) * narrow(p, x0, x1)) != sums(p, w0, w1, x0, x1, over)
        for w0, w1, x0, x1 in corners
    )


@pytest.mark.parametrize("family", ["generic", "xc7", "xcup"])
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_no_cascade_exceeds_the_limit(family: str, widths: tuple[int, int], tokens: int) -> None:
    """However many lanes: more of them are more cascades, which all end together."""
    limit = min(packing(family, *widths, tokens).limit, 40)
    for lanes in (1, 2, limit, limit + 1, 3 * limit + 1):
        block = PackedRows(
            family, tokens=tokens, lanes=lanes, act_bits=widths[1], weight_bits=widths[0]
        )
        assert block.segment <= block.packing.limit
        assert 0 <= min(block.cost.skew)


def test_a_packing_beyond_its_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="limit must be at most 16, not 17"):
        Packing(weight_bits=8, act_bits=8, tokens=1, row_offset=19, token_offset=0, limit=17)
