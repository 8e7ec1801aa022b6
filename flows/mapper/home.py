"""Places of tensors in memory: windows of the host that strips are read from and written to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flows.mapper.emitter import Emitter, reads, writes
from flows.mapper.place import Place
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.layout import LoadTarget

__all__ = ["Home"]


@dataclass(frozen=True, kw_only=True)
class Home:
    """A tensor in a memory window: ``rows`` rows of ``row_words`` words from byte ``offset``."""

    window: int
    offset: int
    rows: int
    channels: int
    row_words: int
    bits: int = 8
    groups: int = 1

    def part(self, start: int, stop: int, spec: MachineSpec) -> Home:
        """Return rows ``start`` to ``stop``."""
        offset = self.offset + start * self.row_words * spec.word_pitch
        return replace(self, offset=offset, rows=stop - start)

    def buffer(self, base: int) -> Place:
        """Return a place of this size in the scratchpad."""
        return Place(
            base=base,
            rows=self.rows,
            channels=self.channels,
            row_words=self.row_words,
            bits=self.bits,
            groups=self.groups,
        )

    def load(self, out: Emitter, place: Place) -> None:
        """Emit a copy of the whole to a place of this size."""
        words = self.rows * self.row_words
        fields = {
            "target": LoadTarget.SCRATCHPAD,
            "window": self.window,
            "address": place.base,
            "offset": self.offset,
            "beats": words * out.spec.beats_per_word,
        }
        access = [reads(*self._memory(out.spec)), writes(place.base, place.end)]
        out.add(Unit.LOAD, fields, access)

    def store(self, out: Emitter, place: Place) -> None:
        """Emit a copy of a place of this size to memory."""
        fields = {
            "window": self.window,
            "address": place.base,
            "offset": self.offset,
            "words": self.rows * self.row_words,
        }
        access = [writes(*self._memory(out.spec)), reads(place.base, place.end)]
        out.add(Unit.STORE, fields, access)

    def _memory(self, spec: MachineSpec) -> tuple[int, int, str]:
        """Return the bytes of the window that it takes, for the order of loads and stores."""
        end = self.offset + self.rows * self.row_words * spec.word_pitch
        return self.offset, end, f"window {self.window}"
