"""Parameters of a sweep, and their values as text."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from flows.errors import UserError
from models.machine.numbers import MAY_BE_ZERO, OPTIONS

__all__ = ["DIGITAL", "NUMBERS", "PARAMETERS", "Value", "check_names", "parse_values"]

Value = str | int | float

NUMBERS = OPTIONS
"""Whole numbers of a machine's spec."""
REALS = ("clock_mhz", "bandwidth_mb_s")
TEXTS = ("board", "network", "engine", "policy", "ratio", "rows")
WHOLE = (*NUMBERS, "adc_bits")
PARAMETERS = (*TEXTS, *REALS, *WHOLE)
"""Parameters that a point may have.

``board``; ``network``, a file or a named workload; ``policy`` and ``ratio`` as of ``rowmac
quantise``; ``rows``, row classes, or a number of rows, plain or of the policy's formats;
``engine``, ``digital`` or ``cim:PRESET``, and ``adc_bits`` of a macro; ``clock_mhz`` and
``bandwidth_mb_s`` as assumed; the rest as of :class:`MachineSpec`.
"""
DIGITAL = ("policy", "ratio", "rows", "bandwidth_mb_s", *NUMBERS)
"""Parameters that only digital machines have."""
LEAST, MOST = 1e-6, 10**9
"""Limits of numbers: machines need no others, and 64 bits hold their products."""
MOST_VALUES = 100_000
"""Largest number of values of a range."""
EXAMPLE = "lanes=4,8 or tokens=2..8"


def check_names(names: Mapping[str, Any] | Sequence[str]) -> None:
    """Refuse unknown parameters.

    Raises
    ------
    UserError
        With the parameter that was probably meant.
    """
    for name in names:
        if name not in PARAMETERS:
            near = difflib.get_close_matches(name, PARAMETERS, 1)
            meant = f" (perhaps {near[0]})" if near else ""
            raise UserError(
                f"parameter must be one of {', '.join(PARAMETERS)}, not {name!r}{meant}"
            )


def parse_values(name: str, text: str) -> list[Value]:
    """Values from text: numbers as ``4,8``, ``2..8`` or ``4..16:4``, texts separated by ``/``.

    Raises
    ------
    UserError
        If there is no value, or one does not suit the parameter.
    """
    check_names([name])
    if name in TEXTS:
        found: list[Value] = [part.strip() for part in text.split("/") if part.strip()]
        # A path is one value, slashes included.
        if name == "network" and text.endswith(".onnx"):
            found = [text]
    else:
        found = [value for part in text.split(",") for value in _range(name, part.strip())]
    if not found:
        raise UserError(f"{name} must have at least one value, such as {EXAMPLE}, not {text!r}")
    return found


def check_value(name: str, value: object) -> Value:
    """A checked value of a parameter from a file.

    Raises
    ------
    UserError
        If it has another type or is out of range.
    """
    if name in TEXTS:
        if isinstance(value, str) and value:
            return value
        if name in ("ratio", "rows") and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise UserError(f"{name} must be a text, not {value!r}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{name} must be a number, not {value!r}")
    if name in WHOLE and not isinstance(value, int):
        raise UserError(f"{name} must be a whole number, not {value!r}")
    if value == 0 and name in MAY_BE_ZERO:
        return value
    if not value > 0:
        raise UserError(f"{name} must be more than 0, not {value!r}")
    if value < LEAST:
        raise UserError(f"{name} must be at least {LEAST:g}, not {value:g}")
    if value >= MOST:
        raise UserError(f"{name} must be less than {MOST:,}, not {_short(value)}")
    return value


def _short(value: float) -> str:
    """A number as text; numbers of thousands of digits, which Python does not write, as words."""
    return f"{value:g}" if value < 1e300 else "such a large one"


def _range(name: str, text: str) -> list[Value]:
    kind = int if name in WHOLE else float
    try:
        span, _, step = text.partition(":")
        first, dots, last = span.partition("..")
        if dots:
            values: Sequence[Value] = range(int(first), int(last) + 1, int(step or 1))
        else:
            values = [kind(text)]
    except ValueError:
        raise UserError(f"{name} must be numbers such as {EXAMPLE}, not {text!r}") from None
    # Both ends are checked first, so that a wrong range is not expanded.
    ends = [check_value(name, value) for value in (*values[:1], *values[-1:])]
    if len(values) > MOST_VALUES:
        raise UserError(f"{name} must have at most {MOST_VALUES:,} values, not {len(values):,}")
    return [*values] if len(values) > 1 else ends[:1]
