"""Items a load brings to a macro: one table for mapper, golden machine and RTL.

An item is 16 bytes, little endian: its kind, then that kind's fields without gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from models.program.layout import Field, pack, unpack

ITEM_BYTES = 16
"""As many as of a channel's parameters, so that both come in the same beats."""


class Item(IntEnum):
    """What an item sets."""

    REGISTER = 0
    """Converter of ``column``: weight of bit ``index``, or the base at ``adc_bits``."""
    BOW = 1
    """What is added to threshold ``index`` of all columns."""
    WINDOW = 2
    """ADC step and offset of the tiles that follow, and what skipping zeros needs to know."""
    TILE = 3
    """Opens the macro for the vectors that the next weight tile meets."""


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

Of a window, on macros that skip zeros (others: 0): the code that a skipped conversion stands for,
``-offset // step``; of each ``period`` elements of K the first ``valid`` ones are activations, the
others only fill up and count as zeros.

Of a tile: vectors of activations, those that fill up the last beat included, and without them;
number of a column's first conversion in it, and how much higher
it is in each further tile of K; what makes activations unsigned; whether ReLU follows.
"""

_WIDTHS = {kind: sum(f.bits for f in fields.values()) for kind, fields in ITEMS.items()}
assert max(_WIDTHS.values()) + KIND.bits <= 8 * ITEM_BYTES


def encode_item(kind: Item, **values: int) -> bytes:
    """One item.

    Raises
    ------
    ValueError
        If a value does not fit its field.
    """
    word = kind | pack(ITEMS[kind], values) << KIND.bits
    return word.to_bytes(ITEM_BYTES, "little")


def decode_items(data: NDArray[np.uint8]) -> Iterator[tuple[Item, dict[str, int]]]:
    """Items of whole sixteens of bytes.

    Raises
    ------
    ValueError
        If a kind is unknown.
    """
    for start in range(0, len(data) // ITEM_BYTES * ITEM_BYTES, ITEM_BYTES):
        word = int.from_bytes(data[start : start + ITEM_BYTES].tobytes(), "little")
        kind = Item(word & (1 << KIND.bits) - 1)
        yield kind, unpack(ITEMS[kind], word >> KIND.bits)
