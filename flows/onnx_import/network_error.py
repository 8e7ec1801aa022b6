"""The one exception of the importer: everything a user may have to hear about a network file."""

from __future__ import annotations

__all__ = ["NetworkError", "shape_text"]

_LONGEST = 480
"""Characters of a message: names in a file may have any length."""
_END = 140
"""How many of them are kept for the end, where it says what to do."""


class NetworkError(ValueError):
    """A network file that cannot be imported; the text names the node and what is supported.

    The text is one line of printable characters, shortened in the middle where names of the file
    make it longer than anybody reads.
    """

    def __init__(self, text: str) -> None:
        line = " ".join(text.split())
        line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        if len(line) > _LONGEST:
            line = f"{line[: _LONGEST - _END]} ... {line[-_END:]}"
        super().__init__(line)


def shape_text(shape: tuple[int, ...] | list[int]) -> str:
    """A shape as messages show it."""
    return "[" + ", ".join(map(str, shape)) + "]"
