"""Cuts K into parts that the weight store holds, and the work between them.

A part is a rectangle of the kernel and a range of a position's words. All parts of some tiles are
computed for some lines of the result before the next ones, as many as the memory of sums holds:
weights are read again for each such range of lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flows.mapper.cut import Cut
from flows.mapper.place import MappingError
from models.machine.spec import MachineSpec
from models.numerics.rescale import Integers

__all__ = ["KPart", "Turn", "k_parts", "turns"]


@dataclass(frozen=True, kw_only=True)
class KPart:
    """Kernel rows and columns, and words of a position, each from ``first`` to ``last``.

    ``last_beats`` are those of its last word; ``entries`` its beats of K.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    words: tuple[int, int]
    last_beats: int
    entries: int

    def weights(self, spec: MachineSpec, weights: Integers, kernel: tuple[int, int]) -> Integers:
        """Return the part of weights ``[out, K]`` in the order of the walk."""
        tapped = weights.reshape(len(weights), *kernel, -1)
        first = self.words[0] * spec.word_bytes
        last = first + (self.words[1] - self.words[0] - 1) * spec.word_bytes
        last += self.last_beats * spec.lanes
        part = tapped[:, slice(*self.rows), slice(*self.columns), first:last]
        return np.ascontiguousarray(part).reshape(len(weights), -1)

    def walk(self, whole: dict[str, int]) -> tuple[dict[str, int], int]:
        """Return the fields of its matrix descriptor, and its address offset."""
        rows, columns = (b - a for a, b in (self.rows, self.columns))
        step, kernel_x = whole["tap_step"], whole["kernel_x"]
        line = (kernel_x - 1) * step + whole["tap_line_step"]
        fields = {
            **whole,
            "start_y": whole["start_y"] + self.rows[0] * whole["dilation_y"],
            "start_x": whole["start_x"] + self.columns[0] * whole["dilation_x"],
            "kernel_y": rows,
            "kernel_x": columns,
            "tap_line_step": line - (columns - 1) * step,
            "words": self.words[1] - self.words[0],
            "last_beats": self.last_beats,
        }
        return fields, self.rows[0] * line + self.columns[0] * step + self.words[0]


def k_parts(spec: MachineSpec, kernel: tuple[int, int], cut: Cut) -> list[KPart]:
    """Return parts of K: whole kernels of some words if they fit, else rows, else taps of it."""
    most = spec.depth_entries
    tall, wide = kernel
    if tall * wide * spec.tokens <= most:
        sizes = (tall, wide, most // (tall * wide * spec.tokens))
    elif wide * spec.tokens <= most:
        sizes = (most // (wide * spec.tokens), wide, 1)
    elif spec.tokens <= most:
        sizes = (1, most // spec.tokens, 1)
    else:
        raise MappingError(
            f"a word of K must be at most {spec.depth}, not {spec.word_bytes}",
            depth=spec.word_bytes,
        )
    parts = []
    for row in range(0, tall, sizes[0]):
        for column in range(0, wide, sizes[1]):
            for word in range(0, cut.words, sizes[2]):
                rows, columns = min(row + sizes[0], tall), min(column + sizes[1], wide)
                end = min(word + sizes[2], cut.words)
                last = cut.last_beats if end == cut.words else spec.tokens
                taps = (rows - row) * (columns - column)
                entries = taps * ((end - word - 1) * spec.tokens + last)
                parts.append(
                    KPart(rows=(row, rows), columns=(column, columns), words=(word, end),
                          last_beats=last, entries=entries)
                )  # fmt: skip
    return parts


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Tiles and lines of the result whose sums are in the memory together."""

    tiles: slice
    lines: tuple[int, int]

    def walk(self, whole: dict[str, int], width: int) -> tuple[dict[str, int], int]:
        """Return the fields of a matrix descriptor for its lines, and its address offset."""
        first, last = self.lines
        line = (width - 1) * whole["token_step"] + whole["line_step"]
        fields = {
            **whole,
            "tiles": self.tiles.stop - self.tiles.start,
            "tokens": (last - first) * width,
            "start_y": whole["start_y"] + first * whole["stride_y"],
        }
        return fields, first * line


def turns(spec: MachineSpec, tiles: int, together: int, lines: int, width: int) -> Iterator[Turn]:
    """Yield all tiles of all lines.

    Parameters
    ----------
    together : tiles whose results fill whole words; a turn has a multiple of them

    Raises
    ------
    MappingError
        If the memory of sums holds less than a line of so many tiles.
    """
    per_row = spec.rows // spec.vector_lanes
    together = min(together, tiles)

    def beats(count: int, rows: int) -> int:
        return count * per_row * (-(-rows * width // spec.tokens) * spec.tokens)

    least = beats(together, 1)
    if least > spec.part_sums:
        raise MappingError(
            f"sums of a line of results, {least}, must be at most {spec.part_sums}",
            part_sums=1 << (least - 1).bit_length(),
        )
    tall = max(n for n in range(1, lines + 1) if beats(together, n) <= spec.part_sums)
    count = max(
        n for n in range(together, tiles + together, together) if beats(n, tall) <= spec.part_sums
    )
    for line in range(0, lines, tall):
        for tile in range(0, tiles, count):
            yield Turn(
                tiles=slice(tile, min(tile + count, tiles)), lines=(line, min(line + tall, lines))
            )
