"""Which row blocks a list of row classes is made of."""

from __future__ import annotations

from collections.abc import Sequence

from hdl.rows.binary import BinaryRows
from hdl.rows.dsp import FAMILIES
from hdl.rows.multiplier import MultiplierRow
from hdl.rows.packed import PackedRows
from hdl.rows.shift import ShiftRows
from hdl.rows.shift_plan import shift_plan
from models.formats import Binary, CodeBook, Fixed, find_format

RowBlock = PackedRows | ShiftRows | BinaryRows | MultiplierRow


def row_blocks(
    classes: Sequence[tuple[str, int]], *, family: str, tokens: int, lanes: int, act_bits: int
) -> list[RowBlock]:
    """Blocks for ``(format name, rows)`` pairs; their rows are in the order of the list.

    Rows of a fixed-point format go in pairs to DSP slices (the last one of an odd number has
    slices of its own); the rows of another format form one block, so that they share what is
    made of the activations.

    Raises
    ------
    ValueError
        If there is no such format, or a size is out of range.
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
    if isinstance(book, Fixed):
        sizes = [2] * (rows // 2) + [1] * (rows % 2)
        return [
            PackedRows(
                family,
                rows=size,
                tokens=tokens,
                lanes=lanes,
                act_bits=act_bits,
                weight_bits=book.bits,
            )
            for size in sizes
        ]
    if isinstance(book, Binary):
        return [BinaryRows(family, rows=rows, tokens=tokens, lanes=lanes, act_bits=act_bits)]
    if shift_plan(book) is not None:
        return [ShiftRows(book, family, rows=rows, tokens=tokens, lanes=lanes, act_bits=act_bits)]
    return [MultiplierRow(book, tokens=tokens, lanes=lanes, act_bits=act_bits) for _ in range(rows)]
