"""Max and average pooling over windows of an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.numerics.rescale import MULTIPLIER_MAX, Integers, Rounding, rescale


@dataclass(frozen=True, kw_only=True)
class Window:
    """Pooling window: kernel and stride (vertical, horizontal), padding (top, left, bottom, right).

    Positions outside the image never count: a window at the border is simply smaller.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        if min(self.kernel) < 1 or min(self.stride) < 1 or min(self.padding) < 0:
            raise ValueError(
                "pooling kernel and stride must be at least 1 and padding at least 0, not "
                f"{self.kernel}, {self.stride}, {self.padding}"
            )
        top, left, bottom, right = self.padding
        if max(top, bottom) >= self.kernel[0] or max(left, right) >= self.kernel[1]:
            raise ValueError(
                f"pooling padding must be smaller than the kernel {self.kernel}, not {self.padding}"
            )

    def output_shape(self, height: int, width: int) -> tuple[int, int]:
        """Output rows and columns."""
        top, left, bottom, right = self.padding
        tall = (height + top + bottom - self.kernel[0]) // self.stride[0] + 1
        wide = (width + left + right - self.kernel[1]) // self.stride[1] + 1
        if tall < 1 or wide < 1:
            raise ValueError(f"pooling kernel must fit its input, not {height} x {width}")
        return tall, wide

    def spans(self, height: int, width: int) -> Iterator[tuple[int, int, slice, slice]]:
        """``(row, column, input rows, input columns)`` of every output position."""
        tall, wide = self.output_shape(height, width)
        for oy in range(tall):
            y = oy * self.stride[0] - self.padding[0]
            for ox in range(wide):
                x = ox * self.stride[1] - self.padding[1]
                rows = slice(max(y, 0), min(y + self.kernel[0], height))
                columns = slice(max(x, 0), min(x + self.kernel[1], width))
                yield oy, ox, rows, columns


@dataclass(frozen=True, kw_only=True)
class MaxPool:
    """Largest code of each window, clamped to ``low..high``."""

    window: Window
    low: int = -128
    high: int = 127


@dataclass(frozen=True, kw_only=True)
class AveragePool:
    """``y = clamp(round(sum(x - input_zero) * multipliers[n] / 2**shift) + zero_point)``.

    ``n`` is the number of positions a window has inside the image; with ``count_padding`` the
    full kernel size is taken instead.

    Parameters
    ----------
    multipliers : dict-like tuple of (count, multiplier)
        One for every ``n`` that occurs.
    """

    window: Window
    multipliers: tuple[tuple[int, int], ...]
    shift: int
    input_zero: int = 0
    zero_point: int = 0
    rounding: Rounding = Rounding.HALF_EVEN
    count_padding: bool = False
    low: int = -128
    high: int = 127

    def __post_init__(self) -> None:
        largest = max((factor for _, factor in self.multipliers), default=0)
        if not 0 <= largest <= MULTIPLIER_MAX:
            raise ValueError(
                f"average pool multipliers must be at most {MULTIPLIER_MAX}, not {largest}"
            )

    def multiplier(self, inside: int) -> int:
        """Multiplier of a window with ``inside`` positions in the image."""
        count = self.window.kernel[0] * self.window.kernel[1] if self.count_padding else inside
        table = dict(self.multipliers)
        if count not in table:
            raise ValueError(
                f"average pool multipliers must cover a window of {count}, not only {sorted(table)}"
            )
        return table[count]


def max_pool(x: ArrayLike, spec: MaxPool) -> Integers:
    """Golden of :class:`MaxPool`: codes ``[n, height, width, channels]``."""
    codes = np.asarray(x, dtype=np.int64)
    count, height, width, channels = codes.shape
    y = np.empty((count, *spec.window.output_shape(height, width), channels), dtype=np.int64)
    for oy, ox, rows, columns in spec.window.spans(height, width):
        y[:, oy, ox] = codes[:, rows, columns].max(axis=(1, 2))
    return np.clip(y, spec.low, spec.high)


def average_pool(x: ArrayLike, spec: AveragePool) -> Integers:
    """Golden of :class:`AveragePool`: codes ``[n, height, width, channels]``."""
    codes = np.asarray(x, dtype=np.int64) - spec.input_zero
    count, height, width, channels = codes.shape
    y = np.empty((count, *spec.window.output_shape(height, width), channels), dtype=np.int64)
    for oy, ox, rows, columns in spec.window.spans(height, width):
        part = codes[:, rows, columns]
        factor = spec.multiplier(part.shape[1] * part.shape[2])
        y[:, oy, ox] = rescale(part.sum(axis=(1, 2)), factor, spec.shift, spec.rounding)
    return np.clip(y + spec.zero_point, spec.low, spec.high)


def average_pool_spec(
    window: Window,
    height: int,
    width: int,
    *,
    ratio: float = 1.0,
    rounding: Rounding = Rounding.HALF_EVEN,
    count_padding: bool = False,
    input_zero: int = 0,
    output_zero: int = 0,
    low: int = -128,
    high: int = 127,
) -> AveragePool:
    """Average pooling with ``ratio = input scale / output scale``; 30-bit multipliers.

    The multipliers are rounded up, so that with ``ratio = 1`` and ``HALF_AWAY`` the quotient is
    the exact rounded division of TFLite: the surplus is far below ``1 / (2 * count)``.
    """
    sizes = {
        (rows.stop - rows.start) * (columns.stop - columns.start)
        for _, _, rows, columns in window.spans(height, width)
    }
    if count_padding:
        sizes = {window.kernel[0] * window.kernel[1]}
    largest = ratio / min(sizes)
    shift = int(min(max(30 - np.ceil(np.log2(largest)), 0), 40))
    multipliers = tuple((n, int(np.ceil(ratio * 2.0**shift / n))) for n in sorted(sizes))
    return AveragePool(
        window=window,
        multipliers=multipliers,
        shift=shift,
        input_zero=input_zero,
        zero_point=output_zero,
        rounding=rounding,
        count_padding=count_padding,
        low=low,
        high=high,
    )
