"""Results that survive an interruption: one line of JSON for each piece of work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.errors import UserError

BEGIN = '{"key": {'
"""Of each line."""


class Store:
    """A file of results by key; what it holds is not computed again.

    Each line is written at once and whole: one that was cut off lacks only its own result. A file
    that holds something else is refused, and nothing is written before the first result.

    Raises
    ------
    UserError
        If the file cannot be read, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, int] = {}
        self._cut = False
        try:
            if path.exists() and not path.is_file():
                raise UserError(
                    f"store must be a file that can be used, not {path} "
                    f"({'a folder' if path.is_dir() else 'a device or pipe'})"
                )
            text = path.read_text() if path.exists() else ""
            path.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"store must be a file that can be used, not {path} ({error})"
            ) from None
        *lines, rest = text.split("\n")
        # Of a line that was cut off there is a beginning, or, after a later run, one among others.
        for line in lines:
            if line and not self._read(line) and not line.startswith(BEGIN):
                raise self._foreign()
        if rest and not self._read(rest) and not (rest + BEGIN[len(rest) :]).startswith(BEGIN):
            raise self._foreign()
        self._cut = bool(rest)

    def _foreign(self) -> UserError:
        return UserError(f"store must hold results of rowmac, not {self._path}")

    def _read(self, line: str) -> bool:
        """Whether it is a result."""
        try:
            entry = json.loads(line)
            key, value = entry["key"], entry["value"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
        if not isinstance(key, dict) or type(value) is not int:
            return False
        self._known[_text(key)] = value
        return True

    def get(self, key: Mapping[str, Any]) -> int | None:
        """The result of a key, or None."""
        return self._known.get(_text(key))

    def put(self, key: Mapping[str, Any], value: int) -> None:
        """Keep a result."""
        line = json.dumps({"key": dict(key), "value": value}, sort_keys=True)
        try:
            with self._path.open("a") as stream:
                # What was cut off stays a line of its own.
                stream.write("\n" * self._cut + line + "\n")
        except OSError as error:
            raise UserError(f"cannot write {self._path}: {error.strerror or error}") from None
        self._cut = False
        self._known[_text(key)] = value


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(dict(key), sort_keys=True)
