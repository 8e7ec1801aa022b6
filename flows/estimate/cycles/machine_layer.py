"""Layers as a machine sees them: what the cycle model needs of an operator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["INPUT", "Layer", "Table", "Work"]

INPUT = -1
"""Index of the network's input among a layer's sources."""


class Work(Enum):
    """What a layer makes the machine do."""

    PRODUCT = "product"
    SCORES = "attention scores"
    CONTEXT = "attention context"
    MAP = "requantise"
    ADD = "add"
    POOL = "pool"
    NORM = "layer norm"
    SOFTMAX = "softmax"
    CONSTANT = "constant"
    VIEW = "view"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that is loaded unless one of this key was before: ``entries`` of 16 bits."""

    key: object
    entries: int
    row: bool = False


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One operator, in the order in which a program has them.

    Parameters
    ----------
    sources : tuple of int
        Indices of the layers whose results it reads, :data:`INPUT` for the network's input.
    positions : int
        Rows of results: output positions, tokens, ``heads * tokens`` of attention's scores.
    channels : int
        Channels of a row that is read (attention: of one head; context: keys).
    outputs : int
        Channels of a row that is written (context: of one head).
    taps : int
        Kernel positions of a product.
    heads : int
        Of attention.
    in_heads, out_heads : int
        Heads that the channels read or written are split into; each begins a word where heads do
        not fill whole words.
    windows : tuple of (rows, taps)
        Pooling: one descriptor each.
    bits_in, bits_out : int
        Of a code: 8 or 16.
    rows_in : int
        Rows of the tensor that is read first (positions of an image); 0: as many as positions.
    stem : bool
        Alone reads the network's input, by a kernel: it may be fed with patches.
    macs : int
        Multiply-accumulates, for figures of merit.
    tiles : int, optional
        Tiles that a mapping to row classes has really taken.
    order : bool
        Whether a row order is loaded where row classes need one: an equal one may still be there.
    output : str
        Name of the tensor it makes.
    """

    name: str
    work: Work
    sources: tuple[int, ...] = (INPUT,)
    positions: int = 1
    channels: int = 1
    outputs: int = 1
    taps: int = 1
    heads: int = 1
    in_heads: int = 1
    out_heads: int = 1
    windows: tuple[tuple[int, int], ...] = ()
    bits_in: int = 8
    bits_out: int = 8
    rows_in: int = 0
    stem: bool = False
    macs: int = 0
    tables: tuple[Table, ...] = ()
    tiles: int | None = None
    order: bool = True
    output: str = ""
