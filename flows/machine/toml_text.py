"""Tables as TOML text: the little of it that a machine file needs."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["toml_text"]

Value = str | bool | int | float

_ESCAPED = {'"': '\\"', "\\": "\\\\"}


def toml_text(table: Mapping[str, Value | Mapping[str, Value]]) -> str:
    """A table of values, and of tables of values, as TOML; tables come last, in their order.

    Names are bare keys, and numbers finite.
    """
    plain = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    lines = [*_lines(plain)]
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *_lines(value)]
    return "\n".join(lines) + "\n"


def _lines(values: Mapping[str, Value]) -> list[str]:
    return [f"{name} = {_text(value)}" for name, value in values.items()]


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{_quoted(value)}"' if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return "".join(
        _ESCAPED.get(c, f"\\u{ord(c):04x}" if ord(c) < 0x20 or ord(c) == 0x7F else c) for c in text
    )
