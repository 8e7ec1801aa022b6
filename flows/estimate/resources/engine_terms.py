"""Terms of the matrix engine: accumulators, delays and drain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flows.estimate.machine_points import FORMAT_NAMES, Points, bit_length
from flows.estimate.resources.row_terms import RowBlocks, row_blocks
from flows.estimate.resources.unit_terms import Terms, fixed_first, held_rows, lut_memory
from models.formats import FORMATS

__all__ = ["array_terms", "grid_terms", "machine_blocks"]


def machine_blocks(p: Points) -> dict[str, RowBlocks]:
    """Blocks of every format that any machine has."""
    return {
        name: row_blocks(name, rows=p.rows_of(name), tokens=p.tokens, lanes=p.lanes,
                         act_bits=p.act_bits, xcup=p.xcup)
        for name in FORMAT_NAMES if p.rows_of(name).any()
    }  # fmt: skip


def array_terms(p: Points) -> tuple[Terms, Terms]:
    """Terms of the array without row classes.

    In the family ``xc7`` slices take in the products' registers and the first level of the tree;
    in ``xcup`` Yosys leaves both outside.
    """
    cells = p.rows * p.tokens
    sums = cells * p.acc_width
    adders, registers = _tree_bits(p.lanes)
    store = lut_memory(_store_depth(p), 9 * p.lanes)
    one = np.ones(len(p))
    groups, outside = -(-p.lanes // 4), p.xcup * cells
    return (
        {
            "one": one,
            "rows": p.rows,
            "sums": sums,
            "tree": cells * adders,
            "first level": outside * (p.lanes - groups) * 20,
            "lut memory": p.rows * store.luts,
        },
        {
            "one": one,
            "sums": sums,
            "tree": cells * registers,
            "first level": outside * (18 * p.lanes + 20 * groups) + 9 * p.xcup * p.tokens * p.lanes,
            "lut memory": p.rows * store.registers,
        },
    )


def _store_depth(p: Points) -> NDArray[np.int64]:
    """Words of the weight memory of a row: two tiles."""
    return 2 << np.maximum(1, bit_length(p.depth_entries - 1))


def _tree_bits(lanes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bits of adders and registers behind the first level, which adds four products of 18 bits."""
    left = -(-lanes // 4)
    adders, registers, bits = 0 * lanes, 0 * lanes, 20
    while (left > 1).any():
        following = -(-left // 4)
        bits += 2
        adders += (left - following) * bits
        registers += np.where(left > 1, following, 0) * bits
        left = following
    return adders, registers


def grid_terms(p: Points, blocks: dict[str, RowBlocks]) -> tuple[Terms, Terms]:
    """Terms of the grid of row blocks: accumulators, operand delays, drain, weight store."""
    sums = p.rows * p.tokens * p.acc_width
    one = np.ones(len(p))
    drain = drain_bits(p)
    weights, acts = _delays(p, blocks)
    held = p.tokens * p.lanes * p.act_bits
    luts, registers = np.zeros(len(p)), 0 * p.rows
    for name in blocks:
        store = lut_memory(_store_depth(p), FORMATS[name].bits * p.lanes)
        luts = luts + p.rows_of(name) * store.luts
        registers = registers + p.rows_of(name) * store.registers
    return (
        {"one": one, "rows": p.rows, "sums": sums, "drain": drain, "lut memory": luts},
        {
            "one": one,
            "sums": sums,
            "drain": drain,
            "weights": weights,
            "acts": acts + held,
            "lut memory": registers,
        },
    )


def drain_bits(p: Points) -> NDArray[np.int64]:
    """Bits of the registers behind the drain's four-to-one selections."""
    total = 0 * p.rows
    # Where a tile of activations has fewer rows, its results leave by places of their own.
    dynamic = held_rows(p)
    short = np.where((p.first_format >= 0) & fixed_first(p) & (dynamic < p.rows), dynamic, 0)
    left = p.tokens * (p.rows + short) // p.vector_lanes
    while (left > 1).any():
        left = np.where(left > 1, -(-left // 4), 0)
        total = total + left * p.vector_lanes * p.acc_width
    return total


def _delays(
    p: Points, blocks: dict[str, RowBlocks]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bits of registers that hold back weights, and activations."""
    slowest = 0 * p.rows
    for name, block in blocks.items():
        slowest = np.maximum(slowest, np.where(p.rows_of(name) > 0, block.latency, 0))
    places = np.arange(int(p.lanes.max(initial=1)))[None, :]
    inside = places < p.lanes[:, None]
    weights = np.zeros(len(p))
    latest = np.zeros(inside.shape, dtype=np.int64)
    for name, block in blocks.items():
        rows = p.rows_of(name)
        late = (block.skew + (slowest - block.latency)[:, None]) * inside
        late = np.where(rows[:, None] > 0, late, 0)
        weights += rows * FORMATS[name].bits * late.sum(axis=1)
        latest = np.maximum(latest, late)
    return weights, p.tokens * p.act_bits * latest.sum(axis=1)
