"""Reader of stores: points with all their results; the file is not changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from flows.boards import UnknownBoard, find
from flows.errors import UserError
from flows.machine.default import default_machine
from flows.sweep.figures import figures_fault, parameter_fault, point_fault
from flows.sweep.macro_point import around_macro, macro_preset
from flows.sweep.parameters import DIGITAL, NUMBERS
from flows.sweep.point_machine import DEFAULT_BOARD, classes_text
from flows.sweep.point_store import FORMAT, read_only
from flows.sweep.policy_rows import default_ratio
from models.cim.presets import find_preset

__all__ = ["Entry", "Stored", "read_store"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A point with its outcomes.

    Attributes
    ----------
    point : all parameters; the board's defaults where the sweep did not set them
    given : names of those that it set
    values : figures by stage
    errors : reasons why a stage has no figures
    """

    point: dict[str, Any]
    given: frozenset[str]
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Content of a store; ``model`` is the version of rowmac that wrote it."""

    path: Path
    model: str
    entries: list[Entry]


def read_store(path: Path) -> Stored:
    """Read a store, also one that a sweep is writing to, or one of another version.

    Raises
    ------
    UserError
        If the file is no store, or has no point.
    """
    bad = f"store must be a file that rowmac sweep made, not {path}"
    if not path.is_file():
        raise UserError(f"{bad} ({'a folder' if path.is_dir() else 'no such file'})")
    try:
        with closing(sqlite3.connect(read_only(path), uri=True, timeout=30)) as file:
            marks = dict(file.execute("SELECT name, value FROM sweep"))
            if marks.get("format") != FORMAT:
                raise UserError(f"{bad} (format {marks.get('format')}, not {FORMAT})")
            rows = file.execute("SELECT point, stage, value, error FROM result ORDER BY point")
            entries = list(_entries(rows))
    except RecursionError:
        raise UserError(f"{bad} (a point of too many brackets)") from None
    except (sqlite3.Error, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{bad} ({error})") from None
    if not entries:
        raise UserError(f"store must have at least one point, not none: {path}")
    return Stored(path=path, model=str(marks.get("model")), entries=entries)


def _entries(rows: Iterator[tuple[str, str, str | None, str | None]]) -> Iterator[Entry]:
    last: str | None = None
    entry: Entry | None = None
    for key, stage, value, error in rows:
        if entry is None or key != last:
            if entry is not None:
                yield entry
            entry, fault = _entry(json.loads(key))
            last = key
        if value is None:
            entry.errors[stage] = str(error)
            continue
        figures, lost = _figures(value)
        why = fault or lost or figures_fault(entry.point, stage, figures)
        if why is None:
            entry.values[stage] = figures
        else:
            # Reported and left out: one bad point does not affect the others.
            entry.errors[stage] = why
    if entry is not None:
        yield entry


def _entry(given: dict[str, Any]) -> tuple[Entry, str | None]:
    """A point without its invalid parameters, and the reason why they are invalid."""
    if not isinstance(given, dict):
        raise ValueError(f"a point must be a table, not {type(given).__name__}")
    fault = point_fault(given)
    if fault is not None:
        given = {name: value for name, value in given.items() if not parameter_fault(name, value)}
    return Entry(point=_filled(given), given=frozenset(given)), fault


def _figures(text: str) -> tuple[dict[str, Any], str | None]:
    try:
        return dict(json.loads(text)), None
    except (ValueError, TypeError, RecursionError):
        return {}, "figures in the store must be whole, not damaged"


def _filled(given: dict[str, Any]) -> dict[str, Any]:
    board = given.get("board", DEFAULT_BOARD)
    whole = {"board": board, "network": "", "engine": "digital"} | _defaults(board) | given
    if around_macro(given):
        return {n: v for n, v in whole.items() if n not in DIGITAL or n in given} | _adc(given)
    ratio = default_ratio(str(given["policy"])) if "policy" in given else None
    return whole if ratio is None else {"ratio": ratio} | whole


def _adc(given: dict[str, Any]) -> dict[str, Any]:
    if "adc_bits" in given:
        return {}
    try:
        return {"adc_bits": find_preset(macro_preset(given)).adc_bits}
    except (UserError, ValueError):
        return {}


@cache
def _defaults(board: str) -> dict[str, Any]:
    """Default parameters of a board's points."""
    try:
        found = find(board)
    except UnknownBoard:
        return {}
    spec = default_machine(found)
    return {"rows": classes_text(spec), "clock_mhz": found.clock_mhz} | {
        n: getattr(spec, n) for n in NUMBERS
    }
