"""Layers as the cycle model needs them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["INPUT", "Layer", "Table", "Work"]

INPUT = -1
"""Index of the network's input among a layer's sources."""


class Work(Enum):
    """Kind of work of a layer."""

    PRODUCT = "product"
    SCORES = "attention scores"
    CONTEXT = "attention context"
    MAP = "requantise"
    ADD = "add"
    POOL = "pool"
    MAX_POOL = "max pool"
    NORM = "layer norm"
    SOFTMAX = "softmax"
    CONSTANT = "constant"
    VIEW = "view"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of ``entries`` of 16 bits; one that was loaded before, by its key, is not again."""

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
        Heads of attention.
    in_heads, out_heads : int
        Heads that the channels read or written are split into; each begins a word where heads do
        not fill whole words.
    windows : tuple of (rows, taps)
        Windows of a pooling, one descriptor each.
    bits_in, bits_out : int
        Bits of a code: 8 or 16.
    rows_in : int
        Rows of the first tensor that is read (positions of an image); 0 stands for ``positions``.
    stem : bool
        Whether it is the only reader of the network's input and has a kernel, so that patches
        may replace the image.
    macs : int
        Multiply-accumulates, for figures of merit.
    groups : int
        Groups of channels of a convolution.
    tiles : int, optional
        Number of tiles that a mapping to row classes took.
    pass_tiles : tuple of int
        The same, of every pass of a convolution in groups.
    order : bool
        Whether a row order is loaded where row classes need one: an equal one may be there.
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
    groups: int = 1
    tiles: int | None = None
    pass_tiles: tuple[int, ...] = ()
    order: bool = True
    output: str = ""
