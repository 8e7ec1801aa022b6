"""Checks of stored points and figures against what a sweep can have written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flows.errors import UserError
from flows.sweep.macro_point import around_macro
from flows.sweep.parameters import check_names, check_value
from flows.sweep.point_machine import board_of
from flows.sweep.point_store import Outcome

__all__ = ["figures_fault", "parameter_fault", "point_fault", "sound"]

_LARGEST = 1e30
"""Upper limit of figures, so that drawing and dividing them gives numbers."""


def _number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and 0 <= value < _LARGEST
    )


def _text(value: object) -> bool:
    return isinstance(value, str)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _any(value: object) -> bool:
    """Whether a figure that another version added has a known type."""
    return isinstance(value, bool) or _text(value) or _texts(value) or _number(value)


_Check = Callable[[object], bool]
_COST: dict[str, _Check] = dict.fromkeys(("lut", "ff", "dsp", "bram36"), _number)
_RATE: dict[str, _Check] = dict.fromkeys(("cycles", "fps", "gops"), _number)
_MACHINE: dict[str, _Check] = {
    **_COST,
    "macs_per_cycle": _number,
    "share": _number,
    "fullest": _text,
    "fits": lambda value: isinstance(value, bool),
}
_MORE: dict[str, _Check] = {
    **dict.fromkeys(("utilisation", "gops_per_klut", "gops_per_dsp", "read_bytes"), _number),
    "written_bytes": _number,
    "extrapolated": _texts,
    "classes": _text,
    "yosys": _text,
}
"""Checks of figures that only some points have."""
_MACRO: dict[str, _Check] = {**_RATE, "conversions": _number, "columns": _number}


def figures_fault(point: Mapping[str, Any], stage: str, value: object) -> str | None:
    """The reason why a stage's figures are invalid; None if they are valid."""
    if not isinstance(value, dict):
        return f"figures in the store must be a table, not {type(value).__name__}"
    for name, good in _wanted(point, stage).items():
        if name not in value:
            return f"figures in the store must have {name}, which is missing"
        if not good(value[name]):
            return f"figures in the store must be whole, but {name} is not"
    for name, one in value.items():
        if not _MORE.get(name, _any)(one):
            return f"figures in the store must be whole, but {str(name)[:40]!r} is not"
    return None


def _wanted(point: Mapping[str, Any], stage: str) -> dict[str, _Check]:
    if stage == "simulation":
        return {"cycles": _number}
    if stage != "estimate":
        return dict.fromkeys(("lut", "ff", "dsp"), _number)
    if around_macro(point):
        return _MACRO
    more = _RATE if point.get("network") else {}
    return {**_MACHINE, **more, **({"classes": _text} if "policy" in point else {})}


def sound(outcome: Outcome) -> Outcome:
    """An outcome whose invalid figures are replaced by the reason."""
    if outcome.value is None:
        return outcome
    fault = figures_fault(json.loads(outcome.point), outcome.stage, outcome.value)
    return outcome if fault is None else replace(outcome, value=None, error=fault)


def point_fault(point: Mapping[str, Any]) -> str | None:
    """The reason why a point is invalid; None if it is valid."""
    for name, value in point.items():
        fault = parameter_fault(name, value)
        if fault is not None:
            return fault
    try:
        board_of(point)
    except UserError as error:
        return str(error)
    return None


def parameter_fault(name: str, value: object) -> str | None:
    """The reason why a parameter is invalid; None if it is valid."""
    try:
        check_names([name])
        check_value(name, value)
    except UserError as error:
        return str(error)
    return None
