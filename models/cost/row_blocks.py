"""Which block the rows of a format are built as, and what it costs: slices, latency, skew.

The constructors of :mod:`hdl.rows` take their figures from here, and so do the estimates: neither
can change without the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.cost.dsp_slice import LATENCY
from models.cost.slice_packing import packing
from models.formats import Binary, CodeBook
from models.formats.shift_plan import ShiftPlan, shift_plan

__all__ = [
    "BlockCost",
    "BlockKind",
    "block_cost",
    "block_kind",
    "block_sizes",
    "cascade_lanes",
    "selection_stages",
    "tree_latency",
]

Number = TypeVar("Number", int, NDArray[np.int64])


class BlockKind(StrEnum):
    """Kinds of row block, each a component of :mod:`hdl.rows`."""

    PACKED = "packed"
    BINARY = "binary"
    SHIFT = "shift"
    MULTIPLIER = "multiplier"


@dataclass(frozen=True)
class BlockCost:
    """Cost of one block.

    Attributes
    ----------
    dsps : DSP slices
    latency : cycles from the operands of the first lane to the sums
    skew : cycles that each lane's operands come late, ``[lanes]``
    """

    dsps: int
    latency: int
    skew: tuple[int, ...]


def block_kind(book: CodeBook) -> BlockKind:
    """The kind of block that rows of a format are built as."""
    if book.fixed:
        return BlockKind.PACKED
    if isinstance(book, Binary):
        return BlockKind.BINARY
    return BlockKind.MULTIPLIER if shift_plan(book) is None else BlockKind.SHIFT


def block_sizes(kind: BlockKind, rows: int) -> list[int]:
    """Rows of each block that ``rows`` rows of one format become.

    Packed rows share slices in pairs, and the last row of an odd number has slices of its own.
    Multiplier rows share nothing; the other kinds share what is made of the activations.
    """
    if kind is BlockKind.PACKED:
        return [2] * (rows // 2) + [1] * (rows % 2)
    return [1] * rows if kind is BlockKind.MULTIPLIER else [rows]


def block_cost(
    book: CodeBook,
    *,
    family: str,
    tokens: int,
    lanes: int,
    act_bits: int,
    kind: BlockKind | None = None,
) -> BlockCost:
    """Cost of each block of a format's rows; it does not depend on how many rows a block has.

    Parameters
    ----------
    kind : what the rows are built as, where that is not the kind of their format
    """
    kind = kind or block_kind(book)
    if kind is BlockKind.PACKED:
        return _packed(family, book.bits, tokens, lanes, act_bits)
    if kind is BlockKind.BINARY:
        # A register, then pairs of lanes one after another.
        pairs = -(-lanes // 2)
        return BlockCost(0, 1 + pairs, tuple(lane // 2 for lane in range(lanes)))
    if kind is BlockKind.SHIFT:
        plan = shift_plan(book)
        assert plan is not None
        return BlockCost(0, 1 + selection_stages(plan) + lanes, tuple(range(lanes)))
    # Operands and product are registered; yosys makes a slice of each multiplier.
    return BlockCost(tokens * lanes, 2 + tree_latency(lanes), (0,) * lanes)


def cascade_lanes(lanes: Number, limit: Number) -> Number:
    """Lanes of a cascade of slices where none may have more than ``limit``; also of columns."""
    return -(-lanes // -(-lanes // limit))


def selection_stages(plan: ShiftPlan) -> int:
    """Registered selections before the last one, which is part of an adder."""
    return (len(plan.variants) > 1) + (len(plan.middle) > 1)


def tree_latency(count: int) -> int:
    """Cycles of a binary adder tree of ``count`` terms, registered at each level."""
    return (count - 1).bit_length()


def _packed(family: str, bits: int, tokens: int, lanes: int, act_bits: int) -> BlockCost:
    found = packing(family, bits, act_bits, tokens)
    cascade = cascade_lanes(lanes, found.limit)
    skew = []
    for lane in range(lanes):
        # A shorter cascade begins later, so that all end together.
        start = lane - lane % cascade
        skew.append(cascade - min(cascade, lanes - start) + lane - start)
    latency = LATENCY + cascade - 1 + tree_latency(-(-lanes // cascade))
    return BlockCost(lanes * tokens // found.tokens, latency, tuple(skew))
