"""Emits an operator strip by strip, where operands or its result live in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from flows.mapper.convolution_op import Image
from flows.mapper.emitter import Emitter
from flows.mapper.home import Home
from flows.mapper.matrix_ops import Work
from flows.mapper.place import Allocator, MappingError, Place
from flows.mapper.strips import Frame, lines_read, strip_lines, strip_of
from models.machine.spec import MachineSpec
from models.network.graph import Operator
from models.ops.convolution import Convolution

__all__ = ["Operand", "Striped", "move"]

Operate = Callable[[Operator, list[Image], Place], Work]


@dataclass(frozen=True, kw_only=True)
class Operand:
    """A tensor of an operator as lines, and where it lies."""

    at: Place | Home
    frame: Frame

    @property
    def far(self) -> bool:
        """Whether it lives in memory."""
        return isinstance(self.at, Home)

    @property
    def line_words(self) -> int:
        """Words of a line."""
        return self.frame.width * self.at.row_words


@dataclass(frozen=True, kw_only=True)
class Striped:
    """An operator to be made in strips.

    Attributes
    ----------
    name : str
        Of its result, for the names of buffers.
    flat : bool
        Operands are rows of tokens, not images.
    """

    name: str
    operator: Operator
    sources: Sequence[Operand]
    target: Operand
    flat: bool

    def buffers(self, lines: int) -> list[int]:
        """Words of the buffers for strips of so many output lines; 0 for what needs none."""
        sizes = [
            lines_read(self.operator, one.frame, lines) * one.line_words if one.far else 0
            for one in self.sources
        ]
        return [*sizes, lines * self.target.line_words if self.target.far else 0]

    @property
    def least_words(self) -> int:
        """Words of buffers without which it cannot be made."""
        return sum(self.buffers(1))

    def lines(self, room: int, spec: MachineSpec) -> int:
        """Return the output lines of a strip for a number of words for buffers.

        Raises
        ------
        MappingError
            If there is no room for one line.
        """
        lines = self.target.frame.lines
        if sum(self.buffers(lines)) <= room:
            most = lines
        else:
            low, high = 0, lines
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if self._fits(middle, room) else (low, middle)
            most = low
        if not most:
            raise MappingError(
                f"scratchpad must hold one line of operands and result, {self.least_words} words, "
                f"not only {room} beside what is kept",
                bank_words=2 * spec.bank_words,
            )
        moved = sum(o.frame.rows * o.at.row_words for o in (*self.sources, self.target) if o.far)
        weights = self.operator.weights.size if isinstance(self.operator, Convolution) else 0
        chosen = strip_lines(lines, most, moved * spec.word_bytes, weights)
        while chosen < lines and not self._fits(chosen, room):
            chosen -= 1
        return max(1, chosen)

    def _fits(self, lines: int, room: int) -> bool:
        """Flag: there is room for two sets of buffers, or for one if strips are single lines."""
        return (1 if lines == 1 else 2) * sum(self.buffers(lines)) <= room

    def emit(self, out: Emitter, allocator: Allocator, room: int, operate: Operate) -> Work:
        """Emit loads, operators and stores of all strips; they take turns with two buffers."""
        lines = self.lines(room, out.spec)
        total = self.target.frame.lines
        sizes = self.buffers(lines)
        sets = 2 if lines < total and 2 * sum(sizes) <= room else 1
        bases = [
            [allocator.take(f"{self.name} buffer {turn}.{i}", size) if size else 0
             for i, size in enumerate(sizes)]
            for turn in range(sets)
        ]  # fmt: skip
        beats, work = 0, Work(beats=0)
        for index, start in enumerate(range(0, total, lines)):
            stop = min(start + lines, total)
            work = self._strip(out, start, stop, bases[index % sets], operate)
            beats += work.beats
        return replace(work, beats=beats)

    def _strip(
        self, out: Emitter, start: int, stop: int, bases: list[int], operate: Operate
    ) -> Work:
        images = []
        operator = self.operator
        for one, base in zip(self.sources, bases, strict=False):
            if one.frame.rows == 1 < self.target.frame.rows:  # one row for all
                first, last = 0, 1
            else:
                strip = strip_of(self.operator, one.frame, start, stop)
                first, last, operator = strip.first, strip.last, strip.operator
            width = one.frame.width
            place = _near(out, one.at, first * width, last * width, base)
            tall = last - first
            shape = (1, tall * width) if self.flat else (tall, width)
            images.append(Image(place=place, height=shape[0], width=shape[1]))
        width = self.target.frame.width
        at = self.target.at
        if isinstance(at, Place):
            return operate(operator, images, at.part(start * width, stop * width))
        home = at.part(start * width, stop * width, out.spec)
        place = home.buffer(bases[-1])
        work = operate(operator, images, place)
        home.store(out, place)
        return work


def _near(out: Emitter, at: Place | Home, first: int, last: int, base: int) -> Place:
    """Return rows of a tensor in the scratchpad, loaded if they live in memory."""
    if isinstance(at, Place):
        return at.part(first, last)
    home = at.part(first, last, out.spec)
    place = home.buffer(base)
    home.load(out, place)
    return place


def move(out: Emitter, allocator: Allocator, name: str, source: Place | Home,
         target: Place | Home, room: int) -> None:  # fmt: skip
    """Emit a copy of rows of which at least one side lives in memory."""
    match source, target:
        case Home(), Place():
            source.load(out, target)
        case Place(), Home():
            target.store(out, source)
        case Home(), Home():
            rows = min(source.rows, room // source.row_words)
            if not rows:
                raise MappingError(f"scratchpad must hold a row of {source.row_words} words")
            base = allocator.take(f"{name} buffer {source.offset}", rows * source.row_words)
            for start in range(0, source.rows, rows):
                stop = min(start + rows, source.rows)
                part = source.part(start, stop, out.spec)
                place = part.buffer(base)
                part.load(out, place)
                target.part(start, stop, out.spec).store(out, place)
