"""Cuts an operator into strips of output lines, for tensors that lie in memory.

A strip of output lines reads the input lines under its kernels. Lines that two strips share are
read twice (halo). Inside the image a strip has no padding: the lines are there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt

from flows.mapper.place import MappingError
from models.network.graph import Operator
from models.ops.convolution import Convolution
from models.ops.pool import AveragePool, MaxPool

__all__ = ["Frame", "Strip", "frame_of", "lines_read", "strip_lines", "strip_of"]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Shape of a tensor as lines: an image's, or one position a line for rows of tokens."""

    lines: int
    width: int

    @property
    def rows(self) -> int:
        """Positions of the whole tensor."""
        return self.lines * self.width


def frame_of(shape: tuple[int, ...]) -> Frame:
    """Return the lines of a tensor: of an image ``[height, width, channels]``, or of tokens."""
    return Frame(lines=shape[0], width=shape[1] if len(shape) == 3 else 1)


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Input lines ``first`` to ``last`` of a strip, and the operator that makes it of them."""

    first: int
    last: int
    operator: Operator


def strip_of(op: Operator, source: Frame, start: int, stop: int) -> Strip:
    """Return the strip that makes output lines ``start`` to ``stop``.

    Raises
    ------
    MappingError
        If a strip would lie in the padding alone.
    """
    match op:
        case Convolution():
            stride, reach = op.stride[0], op.dilation[0] * (op.weights.shape[1] - 1) + 1
            top = op.padding[0]
        case MaxPool() | AveragePool():
            stride, reach = op.window.stride[0], op.window.kernel[0]
            top = op.window.padding[0]
        case _:
            return Strip(first=start, last=stop, operator=op)
    begin = start * stride - top
    end = (stop - 1) * stride - top + reach
    first, last = max(0, begin), min(source.lines, end)
    if first >= last:
        raise MappingError(
            f"a strip must read a line of its image, not lines {begin} to {end} of {source.lines}; "
            "a padding smaller than the kernel, or a larger scratchpad, would do"
        )
    above, below = first - begin, end - last
    if isinstance(op, Convolution):
        padding = (above, op.padding[1], below, op.padding[3])
        return Strip(first=first, last=last, operator=replace(op, padding=padding))
    window = op.window
    padding = (above, window.padding[1], below, window.padding[3])
    return Strip(
        first=first, last=last, operator=replace(op, window=replace(window, padding=padding))
    )


def lines_read(op: Operator, source: Frame, count: int) -> int:
    """Return the input lines that a strip of ``count`` output lines reads at most."""
    match op:
        case Convolution():
            reach = op.dilation[0] * (len(op.weights[0]) - 1) + 1
            return min(source.lines, (count - 1) * op.stride[0] + reach)
        case MaxPool() | AveragePool():
            return min(source.lines, (count - 1) * op.window.stride[0] + op.window.kernel[0])
        case _:
            return min(source.lines, count)


def strip_lines(lines: int, most: int, moved: int, weights: int) -> int:
    """Return the lines of a strip.

    More strips overlap better with loads and stores, but each has the weights streamed again. With
    ``n`` strips the bus has ``n * weights`` bytes more, and what does not overlap is ``moved / n``.

    Parameters
    ----------
    lines : all output lines
    most : lines for which there is room
    moved, weights : int
        Bytes of activations from and to memory, bytes of weights of the layer.
    """
    count = min(lines, max(-(-lines // most), isqrt(moved // max(1, weights))))
    return -(-lines // count)
