"""From what a user writes to a machine: the one function for command line, sweep and build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from flows.errors import UserError
from models.formats.row_classes import MOST_DIGITS, RowClass, parse_row_classes
from models.machine.spec import MachineSpec

__all__ = ["machine_from", "with_rows"]


def machine_from(
    default: MachineSpec, rows: str | Sequence[RowClass] | None, numbers: Mapping[str, int]
) -> MachineSpec:
    """A machine like another one but for what is given.

    Everything is checked at once: new rows may need other lanes, and the reverse.

    Parameters
    ----------
    rows : row classes, their text such as ``fixed8:12,pot4:20``, or a number of plain rows
    numbers : other whole numbers of the specification by name

    Raises
    ------
    UserError
        If the text is no rows, or there is no such machine.
    """
    try:
        fields: dict[str, Any] = {**numbers, **with_rows(rows)}
        return replace(default, **fields)
    except ValueError as error:
        raise UserError(str(error)) from None


def with_rows(rows: str | Sequence[RowClass] | None) -> dict[str, Any]:
    """Fields of the specification that rows decide.

    Raises
    ------
    ValueError
        If the text is no row classes.
    """
    if rows is None:
        return {}
    return _of_text(rows) if isinstance(rows, str) else _of_classes(tuple(rows))


@cache
def _of_text(rows: str) -> dict[str, Any]:
    # A sweep asks for the same few texts a hundred thousand times.
    if rows.isdecimal():
        if len(rows) > MOST_DIGITS:
            raise ValueError(f"rows must be of up to {MOST_DIGITS} digits, not {rows}")
        return {"rows": int(rows), "classes": ()}
    return _of_classes(parse_row_classes(rows))


def _of_classes(classes: tuple[RowClass, ...]) -> dict[str, Any]:
    return {"classes": classes, "rows": sum(c.rows for c in classes)}
