"""Chooses the row blocks for a list of row classes."""

from __future__ import annotations

from collections.abc import Sequence

from hdl.rows.binary import BinaryRows
from hdl.rows.multiplier import MultiplierRow
from hdl.rows.packed import PackedRows
from hdl.rows.shift import ShiftRows
from models.cost.dsp_slice import FAMILIES
from models.cost.row_blocks import BlockKind, block_kind, block_sizes
from models.formats import CodeBook, find_format

RowBlock = PackedRows | ShiftRows | BinaryRows | MultiplierRow


def row_blocks(
    classes: Sequence[tuple[str, int]], *, family: str, tokens: int, lanes: int, act_bits: int
) -> list[RowBlock]:
    """Build the blocks for ``(format name, rows)`` pairs; rows keep the order of the list.

    Rows of a fixed-point format go in pairs to DSP slices (the last row of an odd number has
    slices of its own). The rows of any other format form one block, so that they share the
    multiples computed from the activations.

    Raises
    ------
    ValueError
        If a format is unknown or a size is out of range.
    """
    if not classes:
        raise ValueError("row classes must be at least one, not none")
    if family not in FAMILIES:
        raise ValueError(f"DSP family must be one of {', '.join(FAMILIES)}, not {family!r}")
    for what, size in (("tokens", tokens), ("lanes", lanes)):
        if size < 1:
            raise ValueError(f"{what} must be at least 1, not {size}")
    if not 2 <= act_bits <= 9:
        raise ValueError(f"activation bits must be 2 to 9, not {act_bits}")
    blocks: list[RowBlock] = []
    for name, rows in classes:
        if rows < 1:
            raise ValueError(f"rows of format {name} must be at least 1, not {rows}")
        blocks += _blocks(find_format(name), rows, family, tokens, lanes, act_bits)
    return blocks


def _blocks(
    book: CodeBook, rows: int, family: str, tokens: int, lanes: int, act_bits: int
) -> list[RowBlock]:
    kind = block_kind(book)
    shape = {"tokens": tokens, "lanes": lanes, "act_bits": act_bits}
    sizes = block_sizes(kind, rows)
    if kind is BlockKind.PACKED:
        return [PackedRows(family, rows=n, weight_bits=book.bits, **shape) for n in sizes]
    if kind is BlockKind.BINARY:
        return [BinaryRows(family, rows=n, **shape) for n in sizes]
    if kind is BlockKind.SHIFT:
        return [ShiftRows(book, family, rows=n, **shape) for n in sizes]
    return [MultiplierRow(book, **shape) for _ in sizes]
