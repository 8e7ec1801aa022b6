"""Rows of one attention head of a tensor: in the scratchpad, or in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flows.mapper.emitter import Emitter
from flows.mapper.home import Home
from flows.mapper.place import Allocator, Place

__all__ = ["HeadRows"]


@dataclass
class HeadRows:
    """A tensor of ``heads`` equal ranges of rows.

    What lives in memory passes through two buffers of a head that take turns.
    """

    at: Place | Home
    heads: int
    name: str
    allocator: Allocator
    _bases: list[int] = field(default_factory=list)

    @property
    def head_words(self) -> int:
        """Words of a head's rows."""
        return self.at.rows // self.heads * self.at.row_words

    def take(self) -> None:
        """Reserve the buffers, if the tensor lives in memory."""
        if isinstance(self.at, Home):
            self._bases = [
                self.allocator.take(f"{self.name} head buffer {turn}", self.head_words)
                for turn in range(min(2, self.heads))
            ]

    @contextmanager
    def rows(self, out: Emitter, head: int, *, write: bool = False) -> Iterator[Place]:
        """Give a head's rows in the scratchpad: loaded before, or stored after."""
        count = self.at.rows // self.heads
        if isinstance(self.at, Place):
            yield self.at.part(head * count, (head + 1) * count)
            return
        home = self.at.part(head * count, (head + 1) * count, out.spec)
        place = home.buffer(self._bases[head % len(self._bases)])
        if not write:
            home.load(out, place)
        yield place
        if write:
            home.store(out, place)
