"""Tiles in one array: what fits is placed apart, what does not is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.cim.cim_spec import CimSpec
from models.cim.placement import ArrayWindow, check_windows, place
from models.cim.presets import find_preset

SPEC = CimSpec(rows=64, cells_per_unit=4, columns=32)


@given(st.lists(st.tuples(st.integers(1, 16), st.integers(1, 32)), max_size=20))
def test_tiles_are_placed_apart(sizes: list[tuple[int, int]]) -> None:
    tiles = [(str(index), *size) for index, size in enumerate(sizes)]
    windows = place(SPEC, tiles)
    assert [w.name for w in windows] == [t[0] for t in tiles[: len(windows)]]
    check_windows(SPEC, windows)
    cells = [
        (row, column)
        for w in windows
        for row in range(w.row, w.row + w.rows)
        for column in range(w.column, w.column + w.columns)
    ]
    assert len(cells) == len(set(cells))


def test_a_whole_array_is_full() -> None:
    spec = find_preset("cap-ram")
    tiles = [(str(i), 64, 128) for i in range(9)]
    assert len(place(spec, tiles)) == 8


def _window(name: str, row: int, column: int, rows: int = 8, columns: int = 8) -> ArrayWindow:
    return ArrayWindow(name=name, row=row, rows=rows, column=column, columns=columns)


def test_refusals() -> None:
    for make, text in (
        (
            lambda: check_windows(SPEC, [_window("a", 0, 0), _window("b", 7, 7)]),
            "windows of the array must not overlap, not 'a' and 'b'",
        ),
        (
            lambda: check_windows(SPEC, [_window("a", 60, 0)]),
            "window 'a' must end within the array's 64 rows, not at 68",
        ),
        (
            lambda: check_windows(SPEC, [_window("a", 0, 30)]),
            "window 'a' must end within the array's 32 columns, not at 38",
        ),
        (lambda: _window("a", -1, 0), "row of window 'a' must be at least 0, not -1"),
        (lambda: _window("a", 0, 0, rows=0), "rows of window 'a' must be at least 1, not 0"),
        (
            lambda: place(SPEC, [("a", 17, 1)]),
            "tile 'a' must be at most the array's 16 units deep, not 17",
        ),
        (lambda: place(SPEC, [("a", 1, 33)]), "tile 'a' must be at most 32 columns wide, not 33"),
    ):
        with pytest.raises(ValueError, match=re.escape(text)):
            make()
    check_windows(SPEC, [_window("a", 0, 0), _window("b", 8, 0), _window("c", 0, 8)])
