"""Standard output and error, which may be full, closed, unread or a terminal."""

import json
import math
import os
import sys
import unicodedata
from contextlib import suppress
from typing import Any, TextIO

from flows.errors import UserError

__all__ = ["Output", "as_json", "discard", "printable", "tell"]

_KEPT = "\n\t"
_TURNED = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that change the order in which a terminal shows others."""


def printable(text: str) -> str:
    """Text with control characters escaped, so that a terminal shows them.

    Names of files, layers and networks come from others and may hold such characters.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if _obeyed(c) else c for c in text)


def _obeyed(character: str) -> bool:
    if character in _KEPT:
        return False
    return character in _TURNED or unicodedata.category(character) in ("Cc", "Cs")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()


def as_json(result: Any) -> str:
    """A result as JSON; infinity and NaN, which JSON lacks, become null."""
    return json.dumps(_finite(result), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def tell(line: str) -> None:
    """Write a line to standard error, if it is open."""
    # Without one, print() would take standard output.
    if sys.stderr is not None:
        try:
            print(printable(line), file=sys.stderr, flush=True)
        except OSError:
            discard(sys.stderr)


class Output:
    """Standard output that fails with one line, once; later text is dropped.

    Raises
    ------
    BrokenPipeError
        in :meth:`write` and :meth:`flush`, if nobody reads it any more.
    UserError
        in the same methods, if it is closed or full.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, control characters escaped."""
        if self._stream is None and not self._lost:
            self._lost = True
            raise UserError("standard output must be open, not closed")
        if self._stream is not None and not self._lost:
            known = getattr(self._stream, "encoding", None) or "utf-8"
            shown = printable(text).encode(known, "backslashreplace").decode(known)
            try:
                self._stream.write(shown)
            except OSError as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Hand on what is buffered."""
        if self._stream is not None and not self._lost:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._lost = True
        discard(self._stream)
        if isinstance(error, BrokenPipeError):
            raise error
        raise UserError(f"cannot write to standard output: {error.strerror or error}") from None


def discard(stream: TextIO | None) -> None:
    """Throw buffered text away: Python would try to write it again when it ends, and complain."""
    with suppress(OSError, ValueError, AttributeError):
        assert stream is not None
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
