"""Places of tensors in the scratchpad, and their allocation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.machine.spec import MachineSpec


class MappingError(ValueError):
    """A network that does not fit the machine.

    Parameters
    ----------
    message : str
    needs : int by name
        Parameters of the machine, with values that would avoid this refusal.
    """

    def __init__(self, message: str, **needs: int) -> None:
        super().__init__(message)
        self.needs = needs


def shown(name: str) -> str:
    """Return a layer's or tensor's name in the network file: without the suffix of its parts."""
    return _PART.sub("", name)


_PART = re.compile(r"#\d+$")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A tensor in the scratchpad: ``rows`` rows of ``row_words`` words from ``base``.

    ``groups`` equal groups of channels each begin a word (attention heads).
    """

    base: int
    rows: int
    channels: int
    row_words: int
    bits: int = 8
    groups: int = 1

    @property
    def end(self) -> int:
        """Address after the last word."""
        return self.base + self.rows * self.row_words

    @property
    def group_words(self) -> int:
        """Words of one channel group of a row."""
        return self.row_words // self.groups

    def part(self, start: int, stop: int) -> Place:
        """Return rows ``start`` to ``stop`` as a place."""
        return Place(
            base=self.base + start * self.row_words,
            rows=stop - start,
            channels=self.channels,
            row_words=self.row_words,
            bits=self.bits,
            groups=self.groups,
        )


def words_of(spec: MachineSpec, channels: int, bits: int, groups: int) -> int:
    """Return the scratchpad words of a tensor row."""
    return groups * -(-channels // groups * (bits // 8) // spec.word_bytes)


class Allocator:
    """First-fit allocator of the scratchpad.

    With ``spread`` it tries the next bank first for each tensor, so that tensors used together lie
    in different banks, at the cost of some fragmentation.
    """

    def __init__(self, spec: MachineSpec, *, spread: bool) -> None:
        self.spec = spec
        self.spread = spread
        self.used: dict[str, tuple[int, int]] = {}
        self.turn = 0
        self.peak = 0

    def take(self, name: str, words: int) -> int:
        """Reserve words for a tensor; return their base address.

        Raises
        ------
        MappingError
            If no gap is large enough.
        """
        total = self.spec.scratchpad_words
        edges = sorted(self.used.values())
        gaps, at = [], 0
        for start, stop in edges:
            if start > at:
                gaps.append((at, start))
            at = max(at, stop)
        if at < total:
            gaps.append((at, total))
        bank = self.turn * self.spec.bank_words
        candidates = [max(a, bank) for a, b in gaps if b - max(a, bank) >= words]
        if not self.spread:
            candidates = []
        candidates += [a for a, b in gaps if b - a >= words]
        if not candidates:
            free = sum(b - a for a, b in gaps)
            raise MappingError(
                f"scratchpad must hold tensor {shown(name)!r} of {words} words, not only {free} "
                f"free of {total}",
                bank_words=2 * self.spec.bank_words,
            )
        base = candidates[0]
        self.used[name] = (base, base + words)
        self.turn = (base // self.spec.bank_words + 1) % self.spec.banks
        self.peak = max(self.peak, sum(b - a for a, b in self.used.values()))
        return base

    def free(self, name: str) -> None:
        """Free a tensor's words."""
        del self.used[name]


class RingSpace:
    """Ring allocator of an on-chip memory, for constants that are loaded when needed.

    Constants still in the memory are not loaded again: the same key returns the old address.
    ``parameter`` names the machine's parameter that sets the memory's size, if there is one.
    """

    def __init__(self, size: int, what: str, parameter: str = "") -> None:
        self.size = size
        self.what = what
        self.parameter = parameter
        self.at = 0
        self.kept: dict[bytes, tuple[int, int]] = {}

    def take(self, key: bytes, count: int) -> tuple[int, bool]:
        """Return the address of ``count`` entries, and a flag that they are already loaded.

        Raises
        ------
        MappingError
            If ``count`` exceeds the whole memory.
        """
        if key in self.kept:
            return self.kept[key][0], True
        if count > self.size:
            needs = {self.parameter: 1 << (count - 1).bit_length()} if self.parameter else {}
            raise MappingError(
                f"{self.what} must be at most {self.size} entries, not {count}", **needs
            )
        if self.at + count > self.size:
            self.at = 0
        start, stop = self.at, self.at + count
        self.kept = {k: (a, b) for k, (a, b) in self.kept.items() if b <= start or a >= stop}
        self.kept[key] = (start, stop)
        self.at = stop
        return start, False
