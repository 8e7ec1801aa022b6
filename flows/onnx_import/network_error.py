"""The one exception of the importer, for every problem of a network file."""

from __future__ import annotations

__all__ = ["NetworkError", "shape_text"]

_LONGEST = 480
"""Most characters of a message, as names in a file may have any length."""
_END = 140
"""Characters kept at the end of a shortened message, where it says what to do."""


class NetworkError(ValueError):
    """A network file that cannot be imported; the text names the node and what is supported.

    The text is one line of printable characters, shortened in the middle if names of the file make
    it too long.
    """

    def __init__(self, text: str) -> None:
        line = " ".join(text.split())
        line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        if len(line) > _LONGEST:
            line = f"{line[: _LONGEST - _END]} ... {line[-_END:]}"
        super().__init__(line)


def shape_text(shape: tuple[int, ...] | list[int]) -> str:
    """Format a shape for messages."""
    return "[" + ", ".join(map(str, shape)) + "]"
