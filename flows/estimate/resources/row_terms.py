"""Registers, adders and selections of the row blocks (:mod:`hdl.rows`), counted.

All functions are vectorised over columns ``[n]`` of one format's rows; they follow what the blocks
build, bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from flows.estimate.machine_points import bit_length
from flows.estimate.resources.unit_terms import Terms
from models.cost.row_blocks import (
    BlockKind,
    block_cost,
    block_kind,
    cascade_lanes,
    selection_stages,
)
from models.cost.slice_packing import packing
from models.formats import CodeBook, find_format
from models.formats.shift_plan import raw_bits, shift_plan

__all__ = ["RowBlocks", "row_blocks"]

Column = NDArray[np.int64]


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
    kind = block_kind(book)
    terms = {
        BlockKind.PACKED: _packed,
        BlockKind.BINARY: _binary,
        BlockKind.SHIFT: _shift,
        BlockKind.MULTIPLIER: _multiplier,
    }[kind]
    lut, ff = terms(book, rows, tokens, lanes, act_bits, xcup)
    # Pairs of packed rows, single multiplier rows: blocks of other kinds have no slices.
    blocks = -(-rows // 2) if kind is BlockKind.PACKED else rows
    dsps, latency, skew = _costs(name, tokens, lanes, act_bits, xcup)
    return RowBlocks(f"{kind} rows", dsp=blocks * dsps, lut=lut, ff=ff, latency=latency, skew=skew)


def _costs(
    name: str, tokens: Column, lanes: Column, act_bits: Column, xcup: NDArray[np.bool_]
) -> tuple[Column, Column, Column]:
    """Slices and latency of a block ``[n]``, and skew ``[n, lanes]``: each machine's own."""
    columns = np.stack([tokens, lanes, act_bits, xcup.astype(np.int64)], axis=1)
    key = columns @ np.array([1 << 40, 1 << 16, 1 << 8, 1])
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    most = int(lanes.max(initial=1))
    found = [_cost(name, most, *row) for row in columns[first].tolist()]
    dsps, latency, skew = (np.array(part) for part in zip(*found, strict=True))
    return dsps[which], latency[which], skew[which]


@lru_cache(maxsize=1 << 14)
def _cost(
    name: str, most: int, tokens: int, lanes: int, act_bits: int, xcup: int
) -> tuple[int, int, tuple[int, ...]]:
    cost = block_cost(
        find_format(name),
        family="xcup" if xcup else "xc7",
        tokens=tokens,
        lanes=lanes,
        act_bits=act_bits,
    )
    return cost.dsps, cost.latency, (*cost.skew, *[0] * (most - lanes))


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
) -> tuple[Terms, Terms]:  # fmt: skip
    found = _packings(book.bits)[xcup.astype(int), act, (tokens % 2 == 0).astype(int)]
    packed, limit, field = found.T
    cascades = -(-lanes // cascade_lanes(lanes, limit))
    blocks = -(-rows // 2)
    both = blocks * lanes * (tokens // 2) * (packed == 2)
    sums = rows * tokens * (cascades - 1) * (field + 1)
    # A second token's operand is a sum: the first one's sign borrows from it.
    pairs = both * (act + 1)
    return {"token pairs": pairs, "segments": sums}, {"segments": sums}


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


def _shift(
    book: CodeBook, rows: Column, tokens: Column, lanes: Column, act: Column,
    xcup: NDArray[np.bool_],
) -> tuple[Terms, Terms]:  # fmt: skip
    plan = shift_plan(book)
    assert plan is not None
    cells = rows * tokens * lanes
    stages = selection_stages(plan)
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
    return (
        {"chain": rows * adds, "first": rows * first, "selections": chosen,
         "multiples": adders, "decoders": plan.decoders * rows * lanes},
        {"registers": registers + multiples + rows * (adds + first),
         "control": rows * lanes * (control + 1)},
    )  # fmt: skip


def _binary(
    book: CodeBook, rows: Column, tokens: Column, lanes: Column, act: Column,
    xcup: NDArray[np.bool_],
) -> tuple[Terms, Terms]:  # fmt: skip
    pairs = -(-lanes // 2)
    shared = (rows > 0) * 2 * pairs * tokens * (act + 1)
    adds, first = _chain(pairs, act + 1, tokens)
    return (
        {"chain": rows * adds, "first": rows * first, "shared": shared, "control": rows * pairs},
        {"registers": shared + rows * (adds + first), "control": 3 * rows * pairs},
    )


def _multiplier(
    book: CodeBook, rows: Column, tokens: Column, lanes: Column, act: Column,
    xcup: NDArray[np.bool_],
) -> tuple[Terms, Terms]:  # fmt: skip
    bits = book.largest.bit_length() + 1
    tree = rows * tokens * (lanes - 1) * (act + bits + 1)
    return (
        {"decoders": rows * lanes * bits, "tree": tree},
        {"decoders": rows * lanes * bits, "tree": tree},
    )
