"""The importer's representation of tensors.

The importer walks the file once, in order, and gives every tensor one of three meanings:

* :class:`Const`: constant numbers, with their codes and scale if a ``DequantizeLinear`` made them.
  Constant codes are integers, as in the file.
* :class:`CodeTensor`: a tensor between a ``QuantizeLinear`` and a ``DequantizeLinear``: integers
  of a type, represented by their real numbers on their own grid.
* :class:`Value`: elements of one *source*, through an index array of the ONNX shape. Reshape,
  Transpose, Split, Slice, Gather and the like only move that index array, so no layout needs a
  pattern: a consumer looks up the layout of its input in the index. An elementwise function applies
  to the source's real numbers: ``clip(a * real + b, low, high)``, then ``function``.

A source is the network input, an operator whose result is not quantised yet (:class:`Operation`),
or codes (:class:`Codes`). Quantising a Value makes Codes. Nothing is emitted before the whole file
is read, so that fusion for the hardware can consider all consumers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flows.onnx_import.import_limits import check_elements
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.step_sizes import COST_MAX, DEPTH_MAX, Array, Function, Steps, cost_of

__all__ = [
    "CODE_RANGES",
    "Array",
    "CodeTensor",
    "Codes",
    "Const",
    "Function",
    "Indices",
    "NetworkInput",
    "Operation",
    "Source",
    "Steps",
    "Value",
    "channel_last",
    "cost_of",
    "storage_index",
]

Indices: TypeAlias = NDArray[np.int64]

CODE_RANGES = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int4": (-8, 7),
    "uint4": (0, 15),
    "int2": (-2, 1),
    "uint2": (0, 3),
}
"""Smallest and largest code of each type that activations may have."""


@dataclass(kw_only=True, eq=False)
class Source:
    """A source of elements in storage order: channels last, no batch axis.

    Parameters
    ----------
    label
        Name for messages, such as ``Conv 'stem'``.
    shape
        ``(height, width, channels)``, ``(tokens, channels)`` or ``(heads, tokens, keys)``.
    scores
        True for attention scores or probabilities, with the shape ``(heads, tokens, keys)``.
    """

    label: str
    shape: tuple[int, ...]
    scores: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        """Size of the last axis."""
        return self.shape[-1]


@dataclass(kw_only=True, eq=False)
class NetworkInput(Source):
    """The image.

    Parameters
    ----------
    holds
        Type of the input in the file: ``float32``, or ``int8`` or ``uint8`` for codes.
    """

    holds: str = "float32"


@dataclass(kw_only=True, eq=False)
class Operation(Source):
    """An operator that computes real numbers from codes; ``details`` depend on ``kind``."""

    kind: str
    inputs: tuple[Codes, ...]
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class Codes(Source):
    """Codes of a value that covers its whole source: ``real = scale * (code - zero_point)``."""

    value: Value
    scale: float
    zero_point: int
    bits: int = 8

    @property
    def low(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.bits - 1)) - 1

    def reals(self) -> Array:
        """Return the real number of every code, in order."""
        codes = np.arange(self.low, self.high + 1, dtype=np.float64)
        return self.scale * (codes - self.zero_point)


@dataclass(frozen=True, kw_only=True, eq=False)
class Value:
    """Elements of a source, selected by an index, and an elementwise function of them.

    Parameters
    ----------
    index
        Flat position in the source of every element; its shape is the tensor's ONNX shape.
    a, b
        Gain and offset: one number each, or one per channel of the source.
    low, high
        Clip after gain and offset.
    function
        Applied last; None is the identity.
    padding
        Rows and columns of zeros (top, left, bottom, right) that a Pad put around an image. They
        are not in the index, and gain, offset and function do not apply to them.
    grid, exact
        If a quantiser rounded a function of codes: its scale and zero point, and the value before
        it. ``function`` then includes the rounding.
    """

    source: Source
    index: Indices
    a: Array = field(default_factory=lambda: np.ones(1))
    b: Array = field(default_factory=lambda: np.zeros(1))
    low: float = -math.inf
    high: float = math.inf
    function: Function | None = None
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    grid: tuple[float, int] | None = None
    exact: Value | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """ONNX shape, padding included."""
        shape = self.index.shape
        if not self.padded:
            return shape
        top, left, bottom, right = self.padding
        return (*shape[:-2], shape[-2] + top + bottom, shape[-1] + left + right)

    @property
    def padded(self) -> bool:
        """True if the value has padding that no operator has absorbed so far."""
        return any(self.padding)

    @property
    def uniform(self) -> bool:
        """True if every channel has the same gain and offset."""
        return len(self.a) == 1 and len(self.b) == 1

    @property
    def linear(self) -> bool:
        """True if there is only gain and offset: no clip and no function."""
        return self.function is None and self.low == -math.inf and self.high == math.inf

    @property
    def scaled(self) -> bool:
        """True if the value is the source times one positive number."""
        return self.linear and self.uniform and self.a[0] > 0 and self.b[0] == 0

    def moved(self, index: Indices) -> Value:
        """Return the same elements in another arrangement."""
        return replace(self, index=index)

    def after(self, real: Array) -> Array:
        """Apply clip and function to numbers that already include gain and offset."""
        clipped = np.clip(real, self.low, self.high)
        if self.function is None:
            return clipped
        with np.errstate(all="ignore"):
            return self.function(clipped)

    def then(self, function: Function) -> Value:
        """Append an elementwise function.

        Raises
        ------
        NetworkError
            If the chain of functions becomes longer than that of any real network.
        """
        parts: list[Function] = []
        if self.low != -math.inf or self.high != math.inf:
            low, high = self.low, self.high
            parts.append(lambda real: np.clip(real, low, high))
        if self.function is not None:
            before = self.function
            parts += before.parts if isinstance(before, Steps) else (before,)
        costs = [cost_of(self.function), cost_of(function)]
        cost, depth = sum(c for c, _ in costs) + 1, max(d for _, d in costs)
        if cost > COST_MAX or depth > DEPTH_MAX:
            raise NetworkError(
                f"functions of {self.source.label} must be at most {COST_MAX:,} in a row and "
                f"{DEPTH_MAX} within one another, not more: put a QuantizeLinear and a "
                "DequantizeLinear between them"
            )
        steps = Steps((*parts, function), cost, depth)
        return replace(self, low=-math.inf, high=math.inf, function=steps, grid=None, exact=None)


@dataclass(frozen=True, kw_only=True, eq=False)
class CodeTensor:
    """Integer codes of the file, computed from the image.

    Parameters
    ----------
    value
        The codes' real numbers, all of them on the grid of ``scale`` and ``zero_point``.
    scale
        None for the network's input until the first DequantizeLinear gives its grid.
    zero_point
        In the file's type: around 128 for uint8.
    kind
        One of :data:`CODE_RANGES`.
    """

    value: Value
    scale: float | None
    zero_point: int
    kind: str

    @property
    def shape(self) -> tuple[int, ...]:
        """ONNX shape."""
        return self.value.shape

    @property
    def offset(self) -> int:
        """Number subtracted from a code to convert it to 8 signed bits."""
        return 128 if self.kind == "uint8" else 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Const:
    """Constant numbers; with ``codes`` (zero point subtracted) and ``scale`` if quantised.

    ``scale`` has the shape of ``codes``, and so has ``formats`` (indices of row formats), if the
    file names them. Integer tensors (shapes, axes) have only ``real``.
    """

    real: NDArray[Any]
    codes: Indices | None = None
    scale: Array | None = None
    formats: Indices | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """ONNX shape."""
        return self.real.shape

    def mapped(self, move: Callable[[NDArray[Any]], NDArray[Any]]) -> Const:
        """Apply a layout change to numbers, codes, scale and formats."""
        return Const(
            real=move(self.real),
            codes=None if self.codes is None else move(self.codes),
            scale=None if self.scale is None else move(self.scale),
            formats=None if self.formats is None else move(self.formats),
        )


def storage_index(shape: tuple[int, ...]) -> Indices:
    """Return the positions of a source in its own arrangement.

    Raises
    ------
    NetworkError
        If the source has more elements than any machine holds.
    """
    check_elements("tensor", shape)
    return np.arange(math.prod(shape), dtype=np.int64).reshape(shape)


def channel_last(index: Indices, label: str) -> Indices:
    """Rearrange ``[1, channels, height, width]`` to ``[height, width, channels]``.

    Raises
    ------
    NetworkError
        If there is more than one image.
    """
    if index.shape[0] != 1:
        raise NetworkError(f"batch of {label} must be 1, not {index.shape[0]}")
    return np.asarray(index[0].transpose(1, 2, 0))
