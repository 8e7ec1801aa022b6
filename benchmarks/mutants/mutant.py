"""A single-point change of a source file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = ["Mutant"]


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A piece of a file's text, and what stands there instead.

    Attributes
    ----------
    file : path from the root of the repository, with slashes
    digest : of the file's text; a verdict is of this text only
    line : number of the line where the piece begins, from 1
    text : that line, without blanks at its ends
    kind : name of the operator that made it
    start, end : the piece, as byte positions in the file's UTF-8
    before, after : the piece and its replacement
    number : 1, or more where such a line of the file has had this change already
    """

    file: str
    digest: str
    line: int
    text: str
    kind: str
    start: int
    end: int
    before: str
    after: str
    number: int = 1

    @property
    def key(self) -> str:
        """Name of the mutant in a store."""
        facts = (self.file, self.digest, self.kind, str(self.start), self.before, self.after)
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:20]

    @property
    def mutation(self) -> str:
        """What is done, for people and for the list of equivalent mutants."""
        number = f" (number {self.number})" if self.number > 1 else ""
        return f"{self.kind}: {self.before} -> {self.after}{number}"

    def apply(self, source: str) -> str:
        """The file's text with the change.

        Raises
        ------
        ValueError
            if the text is not the one that the mutant was made from.
        """
        data = source.encode()
        if data[self.start : self.end] != self.before.encode():
            raise ValueError(f"{self.file} must be as it was, not changed meanwhile; start again")
        return (data[: self.start] + self.after.encode() + data[self.end :]).decode()
