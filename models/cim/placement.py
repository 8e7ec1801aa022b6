"""Places weights of several tiles in one array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.cim.cim_spec import CimSpec


@dataclass(frozen=True, kw_only=True)
class ArrayWindow:
    """A rectangle of cells that one tile of weights takes.

    Parameters
    ----------
    name : str
        Name of the tile.
    row, rows, column, columns : int
        First cell and number of cells in each direction; rows are cells, not units.
    """

    name: str
    row: int
    rows: int
    column: int
    columns: int

    def __post_init__(self) -> None:
        for field in ("row", "column"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field} of window {self.name!r} must be at least 0, "
                                 f"not {getattr(self, field)}")  # fmt: skip
        for field in ("rows", "columns"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} of window {self.name!r} must be at least 1, "
                                 f"not {getattr(self, field)}")  # fmt: skip

    def overlaps(self, other: ArrayWindow) -> bool:
        """Test that two windows have a cell in common."""
        return (
            self.row < other.row + other.rows
            and other.row < self.row + self.rows
            and self.column < other.column + other.columns
            and other.column < self.column + self.columns
        )


def check_windows(spec: CimSpec, windows: Sequence[ArrayWindow]) -> None:
    """Check that windows lie within the array and do not overlap.

    Raises
    ------
    ValueError
        If a window exceeds the array, or if two overlap.
    """
    for window in windows:
        if window.row + window.rows > spec.rows:
            raise ValueError(
                f"window {window.name!r} must end within the array's {spec.rows} rows, "
                f"not at {window.row + window.rows}"
            )
        if window.column + window.columns > spec.columns:
            raise ValueError(
                f"window {window.name!r} must end within the array's {spec.columns} columns, "
                f"not at {window.column + window.columns}"
            )
    for index, window in enumerate(windows):
        for other in windows[:index]:
            if window.overlaps(other):
                raise ValueError(
                    f"windows of the array must not overlap, not {other.name!r} and {window.name!r}"
                )


def place(spec: CimSpec, sizes: Sequence[tuple[str, int, int]]) -> list[ArrayWindow]:
    """Place tiles ``(name, elements, columns)``: as many as fit, in order, shelf by shelf.

    A shelf is one cell of every unit (``spec.units`` rows). Tiles after the last that fits are left
    out: a network fits if every tile has a window.

    Raises
    ------
    ValueError
        If a tile is deeper or wider than the whole array.
    """
    found: list[ArrayWindow] = []
    shelf = column = 0
    for name, elements, columns in sizes:
        if elements > spec.units:
            raise ValueError(
                f"tile {name!r} must be at most the array's {spec.units} units deep, not {elements}"
            )
        if columns > spec.columns:
            raise ValueError(
                f"tile {name!r} must be at most {spec.columns} columns wide, not {columns}"
            )
        if column + columns > spec.columns:
            shelf, column = shelf + 1, 0
        if shelf >= spec.cells_per_unit:
            break
        found.append(
            ArrayWindow(
                name=name, row=shelf * spec.units, rows=elements, column=column, columns=columns
            )
        )
        column += columns
    check_windows(spec, found)
    return found
