"""``machine.toml``: a machine, its board and its clock as a file that people can read and write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from flows.boards import Board, UnknownBoard, find
from flows.errors import UserError
from flows.machine.choose import machine_from
from flows.machine.default import default_machine
from flows.machine.toml_text import toml_text
from flows.work.atomic import output_file
from flows.work.toml_file import read_toml
from models.cim.choice import MacroChoice
from models.machine.numbers import OPTIONS
from models.machine.spec import MachineSpec

__all__ = ["VERSION", "MachineFile", "machine_toml", "read_machine", "write_machine"]

VERSION = 1
LEAST_MHZ, MOST_MHZ = 1e-6, 1e9
"""Limits of a clock, as those of the command line."""
MOST = 10**9
"""Whole numbers are smaller, as those of the command line."""
_HEAD = "# A machine of rowmac: docs/guides/machine.md says what may stand here.\n"
_TOP = ("version", "board", "clock_mhz", "machine", "macro")
_MACHINE = ("rows", *OPTIONS)
_MACRO: Mapping[str, type] = {
    one.name: {"str": str, "int": int, "bool": bool}[str(one.type)] for one in fields(MacroChoice)
}
_REQUIRED = [one.name for one in fields(MacroChoice) if one.default is MISSING]
_KINDS: Mapping[type, str] = {
    str: "a text", int: "a whole number", bool: "true or false", dict: "a table",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MachineFile:
    """What a file holds: a machine, the board it is for, and its clock in MHz."""

    board: Board
    clock_mhz: float
    spec: MachineSpec


def write_machine(file: Path, machine: MachineFile) -> None:
    """Write a machine; an existing file is replaced.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    with output_file(file) as scratch:
        scratch.write_text(machine_toml(machine), encoding="utf-8")


def machine_toml(machine: MachineFile) -> str:
    """The text of a file, from which :func:`read_machine` makes the same machine."""
    spec = machine.spec
    rows = ",".join(map(str, spec.classes)) or spec.rows
    table: dict[str, Any] = {
        "version": VERSION,
        "board": machine.board.name,
        "clock_mhz": float(machine.clock_mhz),
        "machine": {"rows": rows, **{name: getattr(spec, name) for name in OPTIONS}},
    }
    if spec.macro is not None:
        table["macro"] = asdict(spec.macro)
    return _HEAD + toml_text(table)


def read_machine(file: Path) -> MachineFile:
    """Read a machine. What a file leaves out of a machine is the default machine of its board.

    Raises
    ------
    UserError
        If it cannot be read, has an unknown key, or a value of another type or version, or there
        is no such board or machine.
    """
    content = read_toml(file)
    try:
        return _machine(content)
    except (ValueError, UserError) as error:
        raise UserError(f"{file}: {error}") from None


def _machine(content: Mapping[str, Any]) -> MachineFile:
    # Another version may have other keys: it is looked at first.
    version = content.get("version")
    if _typed("version", version, int) != VERSION:
        raise UserError(f"version must be {VERSION}, not {version}")
    _check_keys("", content, _TOP)
    try:
        board = find(_typed("board", content.get("board"), str))
    except UnknownBoard as error:
        raise UserError(str(error)) from None
    given = _typed("machine", content.get("machine", {}), dict)
    _check_keys("machine.", given, _MACHINE)
    numbers = {n: _typed(f"machine.{n}", v, int) for n, v in given.items() if n != "rows"}
    clock = _clock(content["clock_mhz"]) if "clock_mhz" in content else board.clock_mhz
    rows = None if "rows" not in given else _rows(given["rows"])
    if "macro" in content:
        spec = _around(_macro(content["macro"]), board, rows, numbers)
    else:
        spec = machine_from(default_machine(board), rows, numbers)
    return MachineFile(board=board, clock_mhz=clock, spec=spec)


def _around(
    macro: MacroChoice, board: Board, rows: str | None, numbers: Mapping[str, int]
) -> MachineSpec:
    if rows is not None and rows != str(macro.rows):
        raise UserError(f"machine.rows must be the macro's {macro.rows} outputs, not {rows}")
    whole: dict[str, Any] = {"axi_width": board.data_width, **numbers, "rows": macro.rows}
    return MachineSpec(**whole, macro=macro)


def _macro(given: object) -> MacroChoice:
    table = _typed("macro", given, dict)
    _check_keys("macro.", table, _MACRO)
    for name in _REQUIRED:
        _typed(f"macro.{name}", table.get(name), _MACRO[name])
    values: dict[str, Any] = {n: _typed(f"macro.{n}", v, _MACRO[n]) for n, v in table.items()}
    for name in ("columns", "slices"):
        if values[name] < 1:
            raise UserError(f"macro.{name} must be a positive whole number, not {values[name]}")
    return MacroChoice(**values)


def _rows(value: object) -> str:
    if isinstance(value, str) and value or isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise UserError(
        f"machine.rows must be row classes such as fixed8:12,pot4:20, or a number of plain rows, "
        f"not {_shown(value)}"
    )


def _clock(value: object) -> float:
    number: int | float = 0
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    if LEAST_MHZ <= number < MOST_MHZ:
        return float(number)
    raise UserError(f"clock_mhz must be a number of MHz above 0, not {_shown(value)}")


def _check_keys(where: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    names = [*known]
    for name in table:
        if name not in names:
            wanted = ", ".join(where + one for one in names)
            raise UserError(f"key must be one of {wanted}, not {where}{_short(name)}")


def _typed(name: str, value: Any, kind: type) -> Any:
    """The value, if it is of the type; true and false are no numbers."""
    if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
        if kind is int and isinstance(value, int) and not -MOST < value < MOST:
            raise UserError(f"{name} must be a whole number of up to 9 digits")
        return value
    raise UserError(f"{name} must be {_KINDS[kind]}, not {_shown(value)}")


def _shown(value: object) -> str:
    if value is None:
        return "left out"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    # Python does not write numbers of thousands of digits.
    large = isinstance(value, int) and not -MOST < value < MOST
    return "such a large number" if large else _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."
