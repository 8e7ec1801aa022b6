"""Work and output of ``rowmac formats``."""

import argparse
from typing import Any

from flows.cli.table import table
from flows.errors import UserError
from models.cost.row_blocks import BlockKind, block_kind
from models.formats import FORMATS, CodeBook, find_format

__all__ = ["show"]

BUILT_AS = {
    BlockKind.PACKED: "DSP slices, several products each",
    BlockKind.BINARY: "LUTs: sums and differences",
    BlockKind.SHIFT: "LUTs: shifts of small multiples",
    BlockKind.MULTIPLIER: "DSP slices, one product each",
}
"""What a row of each kind of block is made of."""


def show(options: argparse.Namespace) -> dict[str, Any]:
    """Print all formats, or the values of one; the result holds the same.

    Raises
    ------
    UserError
        If there is no format of the name.
    """
    if options.format is None:
        return _all(options.json)
    try:
        book = find_format(options.format)
    except ValueError as error:
        raise UserError(str(error)) from None
    return _one(book, options.json)


def _all(as_data: bool) -> dict[str, Any]:
    if not as_data:
        head = ("format", "bits", "values", "largest", "holds activations", "a row is built as")
        rows = [
            (
                book.name,
                book.bits,
                len(book.grid),
                book.largest,
                book.fixed,
                BUILT_AS[block_kind(book)],
            )
            for book in FORMATS.values()
        ]
        print(table(head, rows))
    return {"formats": [_facts(book) for book in FORMATS.values()]}


def _one(book: CodeBook, as_data: bool) -> dict[str, Any]:
    if not as_data:
        print(f"{book.name}: {book.bits} bits; a row is built as {BUILT_AS[block_kind(book)]}")
        print(table(("code", "value"), list(enumerate(book.values.tolist()))))
    return _facts(book)


def _facts(book: CodeBook) -> dict[str, Any]:
    return {
        "name": book.name,
        "bits": book.bits,
        "values": book.values.tolist(),
        "largest": book.largest,
        "activations": book.fixed,
        "block": block_kind(book),
    }
