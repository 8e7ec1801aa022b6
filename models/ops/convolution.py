"""Convolution and linear layers: exact integer products, then requantise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from models.formats import find_format
from models.numerics.rescale import Integers
from models.ops.requantize import Requantize, requantize


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution:
    """2-D convolution ``[height, width, in] -> [height', width', out]`` (NHWC).

    ``acc = sum (x - input_zero) * w``; positions outside the image add nothing. A linear layer on
    ``[tokens, in]`` is the same operator with a 1x1 kernel (see :func:`linear_spec`).

    Parameters
    ----------
    weights : int array [out, kernel_height, kernel_width, in / groups], -128 to 127
    groups : int
        Equal groups of neighbouring channels: outputs of one read inputs of the same alone. A
        depthwise convolution has as many as inputs.
    stride, dilation : (vertical, horizontal)
    padding : (top, left, bottom, right)
    input_zero : int
    requantize : Requantize
    formats : str for every output row
        Names of the rows' number formats (:mod:`models.formats`), on whose grids the weights lie;
        empty where every row is ``fixed8``. The product is the same whatever they are.
    products : int, optional
        The network's own multiply-accumulates of an output position, all channels together; by
        default one a weight. Fewer where zeros fill up the weights, none where an identity matrix
        stands for a copy.
    """

    weights: Integers
    requantize: Requantize
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    input_zero: int = 0
    formats: tuple[str, ...] = ()
    products: int | None = None
    groups: int = 1

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights, dtype=np.int64)
        object.__setattr__(self, "weights", weights)
        if weights.ndim != 4:
            raise ValueError(
                f"convolution weights must be [out, height, width, in], not shape {weights.shape}"
            )
        if self.groups < 1 or len(weights) % self.groups:
            raise ValueError(
                f"convolution groups must be at least 1 and divide its {len(weights)} outputs, "
                f"not {self.groups}"
            )
        if weights.min() < -128 or weights.max() > 127:
            raise ValueError("convolution weights must be -128 to 127")
        if min(self.stride) < 1 or min(self.dilation) < 1 or min(self.padding) < 0:
            raise ValueError(
                "convolution stride and dilation must be at least 1 and padding at least 0, not "
                f"{self.stride}, {self.dilation}, {self.padding}"
            )
        if self.requantize.channels not in (1, len(weights)):
            raise ValueError(
                f"requantise channels must be 1 or {len(weights)}, not {self.requantize.channels}"
            )
        object.__setattr__(self, "formats", tuple(self.formats))
        self._check_formats()
        if self.products is not None and not 0 <= self.products <= weights.size:
            raise ValueError(
                f"convolution products must be 0 to {weights.size}, one a weight, "
                f"not {self.products}"
            )

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return int(self.weights.shape[3]) * self.groups

    def dense(self) -> Convolution:
        """Return the same convolution in one group: zeros are the weights between groups."""
        if self.groups == 1:
            return self
        out, tall, wide, depth = self.weights.shape
        own = np.zeros((self.groups, out // self.groups, tall, wide, self.groups, depth), np.int64)
        each = np.arange(self.groups)
        own[each, :, :, :, each] = self.weights.reshape(self.groups, -1, tall, wide, depth)
        return replace(
            self,
            weights=own.reshape(out, tall, wide, -1),
            products=self.macs_per_position,
            groups=1,
            formats=self.formats if self._holds_zero() else (),
        )

    @property
    def macs_per_position(self) -> int:
        """The network's own multiply-accumulates of an output position, all channels together."""
        return self.weights.size if self.products is None else self.products

    @property
    def row_formats(self) -> tuple[str, ...]:
        """The format of every output row, ``fixed8`` where none was given."""
        return self.formats or ("fixed8",) * len(self.weights)

    def _holds_zero(self) -> bool:
        return all(0 in find_format(name).grid for name in dict.fromkeys(self.formats))

    def _check_formats(self) -> None:
        if not self.formats:
            return
        if len(self.formats) != len(self.weights):
            raise ValueError(
                f"row formats must be one for each of {len(self.weights)} rows, "
                f"not {len(self.formats)}"
            )
        names = np.array(self.formats)
        for name in dict.fromkeys(self.formats):
            rows = np.flatnonzero(names == name)
            off = ~np.isin(self.weights[rows], find_format(name).grid)
            if off.any():
                row, *place = np.argwhere(off)[0]
                weight = self.weights[rows[row], *place]
                raise ValueError(
                    f"weights of row {rows[row]} must be on the grid of {name}, not {weight}"
                )

    def output_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """``(height', width', out)`` for an input of this size."""
        out, kernel_h, kernel_w, _ = self.weights.shape
        top, left, bottom, right = self.padding
        tall = (height + top + bottom - self.dilation[0] * (kernel_h - 1) - 1) // self.stride[0]
        wide = (width + left + right - self.dilation[1] * (kernel_w - 1) - 1) // self.stride[1]
        if tall < 0 or wide < 0:
            raise ValueError(f"convolution kernel must fit its input, not {height} x {width}")
        return tall + 1, wide + 1, out


def matmul_exact(x: ArrayLike, w: ArrayLike) -> Integers:
    """Integer matrix product through BLAS, exact.

    Floats hold integers exactly up to their mantissa, so the width is chosen from the operands'
    worst case; nothing is rounded.
    """
    a, b = np.asarray(x), np.asarray(w)
    bound = a.shape[-1] * int(np.abs(a).max(initial=0)) * int(np.abs(b).max(initial=0))
    if bound < 1 << 24:
        return np.rint(a.astype(np.float32) @ b.astype(np.float32)).astype(np.int64)
    if bound < 1 << 53:
        return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    raise OverflowError(f"matrix product must stay below 2**53, not {bound}")


def accumulate(x: ArrayLike, spec: Convolution) -> Integers:
    """Accumulators: codes ``[n, height, width, in]`` to int64 ``[n, height', width', out]``."""
    codes = np.asarray(x, dtype=np.int64) - spec.input_zero
    count, height, width, channels = codes.shape
    out, kernel_h, kernel_w, depth = spec.weights.shape
    if channels != spec.channels:
        raise ValueError(f"convolution input must have {spec.channels} channels, not {channels}")
    tall, wide, _ = spec.output_shape(height, width)
    top, left, bottom, right = spec.padding
    small = codes.astype(np.int16)
    padded = np.pad(small, ((0, 0), (top, bottom), (left, right), (0, 0)))
    patches = np.empty((count, tall, wide, kernel_h, kernel_w, channels), dtype=np.int16)
    for ky in range(kernel_h):
        for kx in range(kernel_w):
            y, x0 = ky * spec.dilation[0], kx * spec.dilation[1]
            patches[:, :, :, ky, kx] = padded[
                :,
                y : y + (tall - 1) * spec.stride[0] + 1 : spec.stride[0],
                x0 : x0 + (wide - 1) * spec.stride[1] + 1 : spec.stride[1],
            ]
    if spec.groups == 1:
        flat = patches.reshape(count * tall * wide, kernel_h * kernel_w * channels)
        acc = matmul_exact(flat, spec.weights.reshape(out, -1).T)
        return acc.reshape(count, tall, wide, out)
    parts = patches.reshape(count * tall * wide, kernel_h * kernel_w, spec.groups, depth)
    each = parts.transpose(2, 0, 1, 3).reshape(spec.groups, len(parts), -1)
    matrix = spec.weights.reshape(spec.groups, out // spec.groups, -1).transpose(0, 2, 1)
    acc = matmul_exact(each, matrix).transpose(1, 0, 2)
    return acc.reshape(count, tall, wide, out)


def convolution(x: ArrayLike, spec: Convolution) -> Integers:
    """Golden of :class:`Convolution`: codes ``[n, height, width, in]`` to ``[n, h', w', out]``."""
    return requantize(accumulate(x, spec), spec.requantize)


def linear_spec(
    weights: ArrayLike,
    requantize: Requantize,
    input_zero: int = 0,
    formats: tuple[str, ...] = (),
    products: int | None = None,
) -> Convolution:
    """The convolution that is a linear layer with weights ``[out, in]``."""
    matrix = np.asarray(weights, dtype=np.int64)
    return Convolution(
        weights=matrix[:, None, None, :],
        requantize=requantize,
        input_zero=input_zero,
        formats=formats,
        products=products,
    )
