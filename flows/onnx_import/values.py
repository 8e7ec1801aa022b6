"""What a tensor of the network file is while it is being read.

The importer walks the file once, in order, and gives every tensor one of three meanings:

* :class:`Const`: known numbers, with their codes and scale where they came out of a
  ``DequantizeLinear``. Constant codes are integers, as in the file.
* :class:`CodeTensor`: what lies between a ``QuantizeLinear`` and a ``DequantizeLinear``: integers
  of a type, known by the real numbers that they stand for on their own grid.
* :class:`Value`: elements of one *source*, seen through an index array of the ONNX shape. Reshape,
  Transpose, Split, Slice, Gather and their like only move that index array, so a layout needs no
  pattern: what a consumer sees is a fact that it can look up. On top of it lies an elementwise
  function of the source's real numbers: ``clip(a * real + b, low, high)``, then ``function``.

A source is the network input, an operator whose result is not quantised yet (:class:`Operation`),
or codes (:class:`Codes`). Quantising a Value makes Codes; nothing is emitted before the whole file
is read, so that what hardware fuses can be fused with a view of all consumers.
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
"""Types that codes of activations may have, and their smallest and largest code."""


@dataclass(kw_only=True, eq=False)
class Source:
    """Something that holds elements in storage order: channels last, no batch axis.

    Parameters
    ----------
    label
        What the user knows it by, such as ``Conv 'stem'``.
    shape
        ``(height, width, channels)``, ``(tokens, channels)`` or ``(heads, tokens, keys)``.
    scores
        Whether the shape is the last one: attention scores or probabilities.
    """

    label: str
    shape: tuple[int, ...]
    scores: bool = False

    @property
    def size(self) -> int:
        """Elements."""
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
        What the file takes: ``float32``, or codes of the type ``int8`` or ``uint8``.
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
    """Codes of a value that covers all of its source: ``real = scale * (code - zero_point)``."""

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
        """The real number of every code, in order."""
        codes = np.arange(self.low, self.high + 1, dtype=np.float64)
        return self.scale * (codes - self.zero_point)


@dataclass(frozen=True, kw_only=True, eq=False)
class Value:
    """Elements of a source through an index, and an elementwise function of them.

    Parameters
    ----------
    index
        Flat position in the source of every element; its shape is the tensor's ONNX shape.
    a, b
        Gain and offset: one number each, or one a channel of the source.
    low, high
        Clip after gain and offset.
    function
        Applied last; None is the identity.
    padding
        Rows and columns of zeros (top, left, bottom, right) that a Pad put around an image. They
        are zero whatever gain, offset and function are; the index does not have them.
    grid, exact
        Where a quantiser rounded a function of codes: its scale and zero point, and the value
        before it. The function then includes the rounding.
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
        """Whether zeros lie around it that no operator has taken over yet."""
        return any(self.padding)

    @property
    def uniform(self) -> bool:
        """Whether every channel has the same gain and offset."""
        return len(self.a) == 1 and len(self.b) == 1

    @property
    def linear(self) -> bool:
        """Whether there is nothing but gain and offset."""
        return self.function is None and self.low == -math.inf and self.high == math.inf

    @property
    def scaled(self) -> bool:
        """Whether it is the source times one positive number."""
        return self.linear and self.uniform and self.a[0] > 0 and self.b[0] == 0

    def moved(self, index: Indices) -> Value:
        """The same elements in another arrangement."""
        return replace(self, index=index)

    def after(self, real: Array) -> Array:
        """Clip and function of numbers that already have gain and offset."""
        clipped = np.clip(real, self.low, self.high)
        if self.function is None:
            return clipped
        with np.errstate(all="ignore"):
            return self.function(clipped)

    def then(self, function: Function) -> Value:
        """This value with one more elementwise function on top.

        Raises
        ------
        NetworkError
            If there are more of them in a row than a network has.
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
        The real numbers that the codes stand for by ``scale`` and ``zero_point``: every one lies on
        that grid.
    scale
        None for the network's input, whose grid the first DequantizeLinear says.
    zero_point
        In the file's type: 128 and the like for uint8.
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
        """What is taken off a code to make it one of 8 signed bits."""
        return 128 if self.kind == "uint8" else 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Const:
    """Known numbers; ``codes`` (zero point taken off) and ``scale`` where they were quantised.

    ``scale`` has the shape of ``codes``, and so has ``formats`` (numbers of row formats), where
    the file names some. Integer tensors (shapes, axes) are ``real`` only.
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
        """A layout change of numbers, codes, scale and formats alike."""
        return Const(
            real=move(self.real),
            codes=None if self.codes is None else move(self.codes),
            scale=None if self.scale is None else move(self.scale),
            formats=None if self.formats is None else move(self.formats),
        )


def storage_index(shape: tuple[int, ...]) -> Indices:
    """Positions of a source in its own arrangement.

    Raises
    ------
    NetworkError
        If it has more elements than any machine holds.
    """
    check_elements("tensor", shape)
    return np.arange(math.prod(shape), dtype=np.int64).reshape(shape)


def channel_last(index: Indices, label: str) -> Indices:
    """``[1, channels, height, width]`` to ``[height, width, channels]``.

    Raises
    ------
    NetworkError
        If there is more than one image.
    """
    if index.shape[0] != 1:
        raise NetworkError(f"batch of {label} must be 1, not {index.shape[0]}")
    return np.asarray(index[0].transpose(1, 2, 0))
