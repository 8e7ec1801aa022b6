"""Registers, adders and selections of the row blocks (:mod:`hdl.rows`), counted.

All functions are vectorised over columns ``[n]`` of one format's rows; they follow what the blocks
build, bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from flows.estimate.machine_points import bit_length
from flows.estimate.resources.unit_terms import Terms
from hdl.rows.packed import packing
from hdl.rows.shift_plan import ShiftPlan, raw_bits, shift_plan
from models.formats import CodeBook, find_format

__all__ = ["RowBlocks", "row_blocks"]

Column = NDArray[np.int64]
MULTIPLIER = "multiplier rows"


@dataclass(frozen=True)
class RowBlocks:
    """All blocks of one format.

    Attributes
    ----------
    part : its name in :mod:`flows.estimate.resources.parts`
    dsp : ``[n]`` DSP slices
    lut, ff : terms
    latency : ``[n]`` cycles from operands to sums
    skew : ``[n, lanes]`` cycles that a lane comes late; lanes beyond a machine's have any
    """

    part: str
    dsp: Column
    lut: Terms
    ff: Terms
    latency: Column
    skew: Column


def row_blocks(
    name: str, *, rows: Column, tokens: Column, lanes: Column, act_bits: Column,
    xcup: NDArray[np.bool_],
) -> RowBlocks:  # fmt: skip
    """The blocks of ``rows`` rows of a format; columns ``[n]``."""
    book = find_format(name)
    columns = (rows, tokens, lanes, act_bits)
    if name.startswith("fixed"):
        return _packed(book, *columns, xcup)
    if name == "binary":
        return _binary(*columns)
    plan = _plan(name)
    return _shift(plan, *columns) if plan else _multiplier(book, *columns)


@cache
def _plan(name: str) -> ShiftPlan | None:
    return shift_plan(find_format(name))


@cache
def _packings(bits: int) -> NDArray[np.int64]:
    """Tokens, limit and field by family, activation bits and whether tokens are even."""
    table = np.zeros((2, 10, 2, 3), dtype=np.int64)
    for family, name in enumerate(("xc7", "xcup")):
        for act in range(2, 10):
            for even in range(2):
                p = packing(name, bits, act, 2 if even else 1)
                table[family, act, even] = p.tokens, p.limit, p.field
    return table


def _places(lanes: Column) -> Column:
    return np.arange(int(lanes.max(initial=1)))[None, :]


def _packed(
    book: CodeBook, rows: Column, tokens: Column, lanes: Column, act: Column,
    xcup: NDArray[np.bool_],
) -> RowBlocks:  # fmt: skip
    found = _packings(book.bits)[xcup.astype(int), act, (tokens % 2 == 0).astype(int)]
    packed, limit, field = found.T
    segments = -(-lanes // limit)
    segment = -(-lanes // segments)
    tree = bit_length(segments - 1)
    place = _places(lanes)
    start = place - place % segment[:, None]
    length = np.minimum(segment[:, None], lanes[:, None] - start)
    skew = segment[:, None] - length + place - start
    blocks = -(-rows // 2)
    both = blocks * lanes * (tokens // 2) * (packed == 2)
    sums = rows * tokens * (segments - 1) * (field + 1)
    # A second token's operand is a sum: the first one's sign borrows from it.
    pairs = both * (act + 1)
    return RowBlocks(
        "packed rows",
        dsp=blocks * lanes * tokens // packed,
        lut={"token pairs": pairs, "segments": sums},
        ff={"segments": sums},
        latency=4 + segment - 1 + tree,
        skew=skew,
    )


def _chain(count: Column, bits: Column, tokens: Column) -> tuple[Column, Column]:
    """Bits of a chain's adders and of its first term, of one row, all tokens."""
    width = bits + bit_length(count - 1)
    place = _places(count)
    inside = place < count[:, None]
    each = np.minimum(
        width[:, None], bits[:, None] + bit_length(place + (count % 2)[:, None])
    ) * inside  # fmt: skip
    first = each[:, 0] * tokens
    return each.sum(axis=1) * tokens - first, first


def _shift(plan: ShiftPlan, rows: Column, tokens: Column, lanes: Column, act: Column) -> RowBlocks:
    cells = rows * tokens * lanes
    stages = (len(plan.variants) > 1) + (len(plan.middle) > 1)
    odds = sorted({v // (v & -v) for v in plan.variants})
    sizes = {odd: act + (odd - 1).bit_length() for odd in odds}
    shared = (rows > 0) * tokens * lanes
    multiples = sum(sizes.values()) * shared
    adders = sum((sizes[odd] for odd in odds if odd > 1), 0 * act) * shared
    bits = act + (plan.variants[-1] - 1).bit_length()
    chosen = registers = 0 * cells
    if len(plan.variants) > 1:
        paired = plan.variants == (1, 2)
        chosen = chosen + cells * (-(-act // 2) if paired else bits)
        registers = registers + cells * bits
    if len(plan.middle) > 1:
        bits = bits + plan.middle[-1]
        chosen, registers = chosen + cells * bits, registers + cells * bits
    tables = ((plan.fine, 1), (plan.coarse, 1 + (len(plan.variants) > 1)),
              (plan.state, 1 + stages), (plan.negative, 1 + stages))  # fmt: skip
    control = 0
    for table, late in tables:
        raw = raw_bits(table, plan.book.bits)
        control += late * (2 if raw is None else len(raw))
    product = bit_length((plan.book.largest << act - 1) - 1) + 1
    adds, first = _chain(lanes, product, tokens)
    return RowBlocks(
        "shift rows",
        dsp=0 * rows,
        lut={"chain": rows * adds, "first": rows * first, "selections": chosen,
             "multiples": adders, "decoders": plan.decoders * rows * lanes},
        ff={"registers": registers + multiples + rows * (adds + first),
            "control": rows * lanes * (control + 1)},
        latency=1 + stages + lanes,
        skew=_places(lanes) + 0 * lanes[:, None],
    )  # fmt: skip


def _binary(rows: Column, tokens: Column, lanes: Column, act: Column) -> RowBlocks:
    pairs = -(-lanes // 2)
    shared = (rows > 0) * 2 * pairs * tokens * (act + 1)
    adds, first = _chain(pairs, act + 1, tokens)
    return RowBlocks(
        "binary rows",
        dsp=0 * rows,
        lut={"chain": rows * adds, "first": rows * first, "shared": shared,
             "control": rows * pairs},
        ff={"registers": shared + rows * (adds + first), "control": 3 * rows * pairs},
        latency=1 + pairs,
        skew=_places(lanes) // 2 + 0 * lanes[:, None],
    )  # fmt: skip


def _multiplier(
    book: CodeBook, rows: Column, tokens: Column, lanes: Column, act: Column
) -> RowBlocks:
    bits = book.largest.bit_length() + 1
    cells = rows * tokens * lanes
    tree = rows * tokens * (lanes - 1) * (act + bits + 1)
    return RowBlocks(
        MULTIPLIER,
        dsp=cells,
        lut={"decoders": rows * lanes * (bits), "tree": tree},
        ff={"decoders": rows * lanes * (bits), "tree": tree},
        latency=2 + bit_length(lanes - 1),
        skew=0 * (_places(lanes) + lanes[:, None]),
    )
