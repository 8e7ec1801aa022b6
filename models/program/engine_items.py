"""Layout of the items that loads send to a macro, shared by mapper, golden machine and RTL.

An item is 16 bytes, little endian: its kind, then that kind's fields without gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from models.program.layout import Field, pack, unpack

ITEM_BYTES = 16
"""Bytes of an item: as of a channel's parameters, so that the load unit cuts both alike."""


class Item(IntEnum):
    """Target of an item."""

    REGISTER = 0
    """Converter of ``column``: weight of bit ``index``, or the base at ``adc_bits``."""
    BOW = 1
    """Correction added to threshold ``index``, in all columns."""
    WINDOW = 2
    """ADC step and offset of the tiles that follow, and their parameters for skipping zeros."""
    TILE = 3
    """Starts the vectors that the next weight tile is multiplied by."""


KIND = Field(4)

ITEMS: Mapping[Item, Mapping[str, Field]] = {
    Item.REGISTER: {"column": Field(12), "index": Field(12), "value": Field(32, True)},
    Item.BOW: {"column": Field(12), "index": Field(12), "value": Field(32, True)},
    Item.WINDOW: {
        "step": Field(32),
        "offset": Field(32, True),
        "zero": Field(12, True),
        "period": Field(14),
        "valid": Field(14),
    },
    Item.TILE: {
        "vectors": Field(20),
        "tokens": Field(20),
        "first": Field(32),
        "hop": Field(28),
        "act_offset": Field(10, True),
        "relu": Field(1),
    },
}
"""Fields by kind.

``WINDOW``, on macros that skip zeros (otherwise 0): ``zero``, the code that replaces a skipped
conversion, ``-offset // step``; ``period`` and ``valid``: of each ``period`` elements of K the
first ``valid`` ones are activations, the others are padding and count as zeros.

``TILE``: ``vectors`` of activations, including padding of the last beat, and ``tokens`` without it;
``first``, the number of a column's first conversion in the tile, and ``hop``, the increment of that
number per tile of K; ``act_offset``, which makes activations unsigned; ``relu``, ReLU follows.
"""

_WIDTHS = {kind: sum(f.bits for f in fields.values()) for kind, fields in ITEMS.items()}
assert max(_WIDTHS.values()) + KIND.bits <= 8 * ITEM_BYTES


def encode_item(kind: Item, **values: int) -> bytes:
    """Encode an item.

    Raises
    ------
    ValueError
        If a value does not fit its field.
    """
    word = kind | pack(ITEMS[kind], values) << KIND.bits
    return word.to_bytes(ITEM_BYTES, "little")


def decode_items(data: NDArray[np.uint8]) -> Iterator[tuple[Item, dict[str, int]]]:
    """Decode items; the data must be a multiple of 16 bytes.

    Raises
    ------
    ValueError
        If a kind is unknown.
    """
    for start in range(0, len(data) // ITEM_BYTES * ITEM_BYTES, ITEM_BYTES):
        word = int.from_bytes(data[start : start + ITEM_BYTES].tobytes(), "little")
        kind = Item(word & (1 << KIND.bits) - 1)
        yield kind, unpack(ITEMS[kind], word >> KIND.bits)
