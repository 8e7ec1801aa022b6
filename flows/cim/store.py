"""Results that survive an interruption: one line of JSON for each piece of work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.errors import UserError


class Store:
    """A file of results by key; what it holds is not computed again.

    Each line is written at once and whole, so that a file that ends in the middle of one lacks
    only that one.

    Raises
    ------
    UserError
        If the file cannot be read, written, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        try:
            text = path.read_text() if path.exists() else ""
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = text.split("\n")
            if lines[-1]:
                # The last line was cut off: begin a new one behind it.
                with path.open("a") as stream:
                    stream.write("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"store must be a file that can be used, not {path} ({error})"
            ) from None
        for number, line in enumerate(lines, 1):
            if line:
                self._read(line, last=number >= len(lines) - 1)

    def _read(self, line: str, *, last: bool) -> None:
        try:
            entry = json.loads(line)
            self._known[_text(entry["key"])] = entry["value"]
        except (ValueError, KeyError, TypeError, RecursionError):
            if not last:
                raise UserError(f"store must hold results of rowmac, not {self._path}") from None

    def get(self, key: Mapping[str, Any]) -> Any:
        """The result of a key, or None."""
        return self._known.get(_text(key))

    def put(self, key: Mapping[str, Any], value: Any) -> None:
        """Keep a result."""
        line = json.dumps({"key": dict(key), "value": value}, sort_keys=True)
        try:
            with self._path.open("a") as stream:
                stream.write(line + "\n")
        except OSError as error:
            raise UserError(f"cannot write {self._path}: {error.strerror or error}") from None
        self._known[_text(key)] = value


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(dict(key), sort_keys=True)
