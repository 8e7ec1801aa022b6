"""Items for a macro: what is encoded is decoded, and what a macro refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.cim.choice import MacroChoice
from models.golden.macro_engine import MacroState
from models.machine.spec import MachineSpec
from models.program.descriptor import ProgramError
from models.program.engine_items import ITEMS, Item, decode_items, encode_item

CHOICE = MacroChoice(preset="pim-qat:native", columns=8, slices=2)
SKIPPING = MacroChoice(preset="forms:4", columns=16, slices=4)


def values(kind: Item) -> st.SearchStrategy[dict[str, int]]:
    def number(bits: int, signed: bool) -> st.SearchStrategy[int]:
        low = -(1 << bits - 1) if signed else 0
        return st.integers(low, low + (1 << bits) - 1)

    return st.fixed_dictionaries({n: number(f.bits, f.signed) for n, f in ITEMS[kind].items()})


@given(st.lists(st.sampled_from(Item).flatmap(lambda k: st.tuples(st.just(k), values(k)))))
def test_round_trip(items: list[tuple[Item, dict[str, int]]]) -> None:
    data = b"".join(encode_item(kind, **fields) for kind, fields in items)
    assert list(decode_items(np.frombuffer(data, np.uint8))) == items


def _state(*items: bytes, choice: MacroChoice = CHOICE) -> MacroState:
    state = MacroState(choice=choice, acc_width=24)
    state.load(np.frombuffer(b"".join(items), np.uint8))
    return state


TILE = {"vectors": 2, "tokens": 2, "first": 0, "hop": 4, "act_offset": 0, "relu": 0}
WINDOW = encode_item(Item.WINDOW, step=256, offset=0)


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([encode_item(Item.TILE, **TILE)], "a tile must come behind a window"),
        ([WINDOW, encode_item(Item.TILE, **TILE | {"hop": 3})], "hop of a tile must be 4, not 3"),
        (
            [WINDOW, encode_item(Item.TILE, **TILE | {"vectors": 1})],
            "vectors of a tile must be at least 2, not 1",
        ),
        ([encode_item(Item.WINDOW, step=0, offset=0)], "ADC step must be at least 1, not 0"),
        ([encode_item(Item.REGISTER, column=8, index=0, value=0)], "index 8 is out of bounds"),
        ([b"\x0f" + bytes(15)], "15 is not a valid Item"),
    ],
)
def test_refused_items(items: list[bytes], text: str) -> None:
    with pytest.raises(ProgramError, match=f"items of the macro must be its own: .*{text}"):
        _state(*items)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"zero": 0}, "zero of a window must be -2, not 0"),
        ({"offset": -32 << 8, "zero": 32}, "code of zero must be -32 to 31, not 32"),
        ({"period": 2}, "valid must be 1 to 2, not 3"),
        ({"valid": 0}, "valid must be 1 to 4, not 0"),
    ],
)
def test_refused_windows_where_zeros_are_skipped(changes: dict[str, int], text: str) -> None:
    fields = {"step": 256, "offset": 512, "zero": -2, "period": 4, "valid": 3}
    _state(encode_item(Item.WINDOW, **fields), choice=SKIPPING)
    with pytest.raises(ProgramError, match=f"items of the macro must be its own: {text}"):
        _state(encode_item(Item.WINDOW, **{**fields, **changes}), choice=SKIPPING)


def test_refused_products() -> None:
    acts, weights = np.zeros((2, 16), np.int64), np.zeros((4, 16), np.int64)
    with pytest.raises(ProgramError, match="weight tile of a macro must have an item that opens"):
        _state().product(acts, weights, 0)
    opened = [WINDOW, encode_item(Item.TILE, **TILE)]
    with pytest.raises(ProgramError, match="tile must be for 3 vectors, not 2"):
        _state(*opened).product(acts[[0, 0, 0]], weights, 0)
    with pytest.raises(ProgramError, match="activations must be 0 to 255 of 8 bits"):
        _state(*opened).product(acts - 1, weights, 0)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"columns": 7}, "columns must be a multiple of 2 slices, not 7"),
        ({"slices": 3, "columns": 9}, "slices must be 0 to 2, not 3"),
        ({"die": -1}, r"die must be 0 to 2\*\*31 - 1, not -1"),
        ({"preset": "isaac"}, "preset must be one of cap-ram, .*, not 'isaac'"),
    ],
)
def test_refused_macros(changes: dict[str, object], text: str) -> None:
    given_: dict[str, Any] = {"preset": "pim-qat:native", "columns": 8, "slices": 2, **changes}
    with pytest.raises(ValueError, match=text):
        MacroChoice(**given_)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rows": 2}, "rows must be the macro's 4 outputs, not 2"),
        ({"tokens": 2}, "rows must be tokens . lanes = 8 beside a macro, not 4"),
        ({"classes": (("fixed8", 4),)}, "row classes must be none beside a macro, not 1"),
        ({"vector_lanes": 4}, "vector_lanes must be"),
    ],
)
def test_refused_machines(changes: dict[str, object], text: str) -> None:
    """The machine's shape must be the macro's."""
    shape: dict[str, Any] = {
        "lanes": 4,
        "tokens": 1,
        "rows": 4,
        "vector_lanes": 2,
        "depth": 64,
        **changes,
    }
    with pytest.raises(ValueError, match=text):
        MachineSpec(**shape, macro=CHOICE)


def test_a_beat_is_a_polarised_fragment() -> None:
    shape: dict[str, Any] = {"lanes": 2, "tokens": 2, "rows": 4, "vector_lanes": 2, "depth": 64}
    with pytest.raises(ValueError, match="lanes must be the polarised fragment's 4 rows, not 2"):
        MachineSpec(**shape, macro=SKIPPING)
