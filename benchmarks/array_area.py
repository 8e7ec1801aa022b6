"""Area of one array by row class: accumulators and drain included, weights arriving by stream.

The shapes are those of FINN's matrix-vector unit in the comparison: 64 MAC/cycle is 4 rows x 2
tokens x 8 lanes, 256 MAC/cycle 8 rows x 4 tokens x 8 lanes; accumulators hold K = 1024.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.report import arguments, show
from flows.estimate.resources.synthesis import synthesise
from hdl.emit import emit
from hdl.engine.row_grid import RowGrid
from hdl.rows.binary import BinaryRows
from hdl.rows.packed import PackedRows
from hdl.rows.shift import ShiftRows
from models.formats import FORMATS

SHAPES = {64: (4, 2, 8), 256: (8, 4, 8)}
"""Rows, tokens, lanes by MAC/cycle."""

DEPTH = 1024


def _packed(weight_bits: int, act_bits: int) -> Callable[..., tuple[list[Any], int]]:
    def make(family: str, rows: int, tokens: int, lanes: int) -> tuple[list[Any], int]:
        block = [
            PackedRows(
                family, tokens=tokens, lanes=lanes, act_bits=act_bits, weight_bits=weight_bits
            )
            for _ in range(rows // 2)
        ]
        return block, (1 << weight_bits - 1) - 1

    return make


def _shift(name: str, act_bits: int) -> Callable[..., tuple[list[Any], int]]:
    book = FORMATS[name]

    def make(family: str, rows: int, tokens: int, lanes: int) -> tuple[list[Any], int]:
        block = ShiftRows(book, family, rows=rows, tokens=tokens, lanes=lanes, act_bits=act_bits)
        return [block], book.largest

    return make


def _binary(act_bits: int) -> Callable[..., tuple[list[Any], int]]:
    def make(family: str, rows: int, tokens: int, lanes: int) -> tuple[list[Any], int]:
        return [BinaryRows(family, rows=rows, tokens=tokens, lanes=lanes, act_bits=act_bits)], 1

    return make


CLASSES: dict[str, Callable[..., tuple[list[Any], int]]] = {
    "w8a8": _packed(8, 8),
    "w4a8": _packed(4, 8),
    "w4a4": _packed(4, 4),
    "pot_w4a8": _shift("pot4", 8),
    "pot_w3a4": _shift("pot3", 4),
    "binary_a8": _binary(8),
    "esb_w4a8": _shift("esb4.1", 8),
    "esb_w4a4": _shift("esb4.1", 4),
    "sp2_w4a8": _shift("sp2", 8),
    "ternary_a8": _shift("ternary", 8),
    "pot_w5a8": _shift("pot5", 8),
}
"""Row classes: blocks, and the largest weight, by family and shape."""


def area(name: str, family: str, macs: int) -> dict[str, Any]:
    """Figures of one row class."""
    rows, tokens, lanes = SHAPES[macs]
    blocks, largest = CLASSES[name](family, rows, tokens, lanes)
    bound = DEPTH * (1 << blocks[0].act_bits - 1) * largest
    grid = RowGrid(blocks, acc_bits=bound.bit_length() + 1, drain=rows)
    netlist = synthesise(emit(grid, "grid"), family, "grid")
    return {
        "macs": macs,
        "lut": netlist.lut,
        "ff": netlist.ff,
        "dsp": netlist.dsp,
        "family": family,
        "lut_per_mac": netlist.lut / macs,
        "mac_per_dsp": macs / netlist.dsp if netlist.dsp else None,
        "lut_levels": netlist.levels,
        "carry_cells": netlist.carries,
    }


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "",
        family={"default": "xcup", "choices": ("xc7", "xcup")},
        macs={"default": 256, "type": int, "choices": sorted(SHAPES)},
        only={"nargs": "*", "choices": sorted(CLASSES), "default": list(CLASSES)},
    )
    results = {name: area(name, options.family, options.macs) for name in options.only}
    show(results, as_json=options.json)


if __name__ == "__main__":
    main()
