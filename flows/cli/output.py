"""Standard output and error as they may be: full, closed, read by nobody, or a terminal."""

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
"""Characters that make a terminal show others in another order than they have."""


def printable(text: str) -> str:
    """Text with everything escaped that a terminal would obey instead of showing it.

    Names of files, of layers and of networks are somebody else's, and may be made to be obeyed.
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
    """A result as JSON, which has neither infinity nor NaN: they are null."""
    return json.dumps(_finite(result), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def tell(line: str) -> None:
    """A line on standard error; where nobody can read it, silence."""
    # Without one, print() would take standard output.
    if sys.stderr is not None:
        try:
            print(printable(line), file=sys.stderr, flush=True)
        except OSError:
            discard(sys.stderr)


class Output:
    """Standard output whose failures are errors of one line; after one, what follows is dropped.

    Raises
    ------
    BrokenPipeError
        in :meth:`write` and :meth:`flush`, if nobody reads it any more.
    UserError
        likewise, if it is closed or full.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, with what a terminal would obey escaped."""
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
    """What is buffered goes nowhere: Python would try again at its end, and complain."""
    with suppress(OSError, ValueError, AttributeError):
        assert stream is not None
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
