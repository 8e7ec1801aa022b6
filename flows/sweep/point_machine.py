"""Board, clock and machine of a point."""

from __future__ import annotations

from functools import cache
from typing import Any

from flows.boards import UnknownBoard, find
from flows.boards.board import Board
from flows.errors import UserError
from flows.machine.choose import machine_from
from flows.machine.default import default_machine
from flows.sweep.definition import Point
from flows.sweep.parameters import NUMBERS
from flows.sweep.policy_rows import policy_rows
from models.formats.row_classes import MOST_DIGITS, RowClass
from models.machine.spec import MachineSpec

__all__ = ["DEFAULT_BOARD", "board_of", "classes_text", "clock_of", "machine_of"]

DEFAULT_BOARD = "arty-z7-20"


@cache
def _board(name: str) -> Board:
    try:
        return find(name)
    except UnknownBoard as error:
        raise UserError(str(error)) from None


@cache
def _default(name: str) -> MachineSpec:
    return default_machine(_board(name))


def board_of(point: Point) -> Board:
    """The board of a point.

    Raises
    ------
    UserError
        If no board has that name.
    """
    return _board(str(point.get("board", DEFAULT_BOARD)))


def clock_of(point: Point) -> float:
    """Assumed clock, MHz."""
    return float(point.get("clock_mhz", board_of(point).clock_mhz))


def machine_of(point: Point) -> MachineSpec:
    """The digital machine of a point.

    Raises
    ------
    UserError
        If no machine has these parameters.
    """
    given: dict[str, Any] = {name: point[name] for name in NUMBERS if name in point}
    if "adc_bits" in point:
        raise UserError(
            "adc_bits must be of a macro, such as engine=cim:relu-macro, not of a digital machine"
        )
    default = _default(board_of(point).name)
    text = str(point.get("rows", ""))
    rows: str | tuple[RowClass, ...] | None = text or None
    if "policy" in point:
        rows = _by_policy(point, text or str(default.rows))
    elif "ratio" in point:
        raise UserError("ratio must come with a policy, such as rmsmp, not alone")
    return machine_from(default, rows, given)


def _by_policy(point: Point, rows: str) -> tuple[RowClass, ...]:
    policy = str(point["policy"])
    if not rows.isdecimal():
        raise UserError(
            f"rows must be a number with policy {policy}, such as rows=16/32, not {rows}"
        )
    ratio = str(point["ratio"]) if "ratio" in point else None
    try:
        return policy_rows(policy, ratio, _number(rows))
    except ValueError as error:
        raise UserError(str(error)) from None


def _number(rows: str) -> int:
    if len(rows) > MOST_DIGITS:
        raise UserError(f"rows must be of up to {MOST_DIGITS} digits, not {rows}")
    return int(rows)


def classes_text(spec: MachineSpec) -> str:
    """Rows as text: row classes such as ``fixed8:12,pot4:20``, or a number of plain rows."""
    return ",".join(map(str, spec.classes)) or str(spec.rows)
