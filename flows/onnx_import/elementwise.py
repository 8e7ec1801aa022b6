"""Elementwise arithmetic and functions: folded into a Value, or a residual addition."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.onnx_import.addition import addition, constant_addition
from flows.onnx_import.functions import FUNCTIONS, function_of
from flows.onnx_import.grids import Grids
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.reader import OnnxNode
from flows.onnx_import.values import Array, Const, Steps, Value, cost_of

__all__ = [
    "BINARY_KINDS",
    "UNARY_KINDS",
    "affine",
    "binary",
    "clip_bounds",
    "clipped",
    "scaled",
    "unary",
]

BINARY_KINDS = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"})
UNARY_KINDS = frozenset(FUNCTIONS) | {"Clip", "Neg", "PRelu", "Relu"}


def unary(node: OnnxNode, value: Value, numbers: list[NDArray[Any] | None]) -> Value:
    """Import a node with one tensor; ``numbers`` are its constant inputs (bounds of Clip)."""
    match node.kind:
        case "Neg":
            return scaled(value, np.array([-1.0]), np.array([0.0]))
        case "Relu" | "Clip":
            return clipped(value, *clip_bounds(node, numbers))
        case "PRelu":
            slope = np.asarray(numbers[0], dtype=np.float64)
            if slope.size != 1:
                raise NetworkError(
                    f"slope of {node.label} must be one number, not {slope.size} of them"
                )
            return value.then(lambda x: np.where(x < 0, float(slope.reshape(-1)[0]) * x, x))
    return value.then(function_of(node.kind, node.attributes))


def clip_bounds(node: OnnxNode, numbers: list[NDArray[Any] | None]) -> tuple[float, float]:
    """Return the bounds of Relu, Clip, or Max and Min with a constant.

    Raises
    ------
    NetworkError
        If a bound is not one number.
    """
    if node.kind == "Relu":
        return 0.0, math.inf
    found = []
    for name, number, idle in zip(
        ("min", "max"), [*numbers, None, None][:2], (-math.inf, math.inf), strict=True
    ):
        if number is None:
            number = np.asarray(node.attributes.get(name, idle))
        if number.size != 1:
            raise NetworkError(
                f"bounds of {node.label} must be one number each, not of shape {list(number.shape)}"
            )
        found.append(float(number.reshape(-1)[0]))
    low, high = found
    if math.isnan(low) or math.isnan(high):
        raise NetworkError(f"bounds of {node.label} must be numbers, not {low} and {high}")
    # ONNX: if the bounds cross, the upper one wins.
    return min(low, high), high


def affine(grids: Grids, node: OnnxNode, value: Value, gain: Any, offset: Any) -> Value | None:
    """Return ``value * gain + offset`` for numbers of broadcastable shape.

    None if the numbers differ between positions of one channel.
    """
    factor = _per_channel(node, value, np.asarray(gain, dtype=np.float64), 1.0)
    extra = _per_channel(node, value, np.asarray(offset, dtype=np.float64), 0.0)
    if factor is None or extra is None:
        return None
    if (len(factor) > 1 or len(extra) > 1) and not value.linear:
        value = grids.coded(value, node.label)
    return scaled(value, factor, extra)


def binary(grids: Grids, node: OnnxNode, left: Value | Const, right: Value | Const) -> Value:
    """Import a binary operator with at least one operand that is computed from the image."""
    if isinstance(left, Value) and isinstance(right, Value):
        same = left.padding == right.padding and np.array_equal(left.index, right.index)
        if left.source is right.source and same:
            merged = _same_source(node, left, right)
            if merged is not None:
                return merged
        if node.kind not in ("Add", "Sub"):
            raise NetworkError(
                f"operands of {node.label} must be a tensor and constants, or functions of one "
                "tensor, not two tensors computed from the image"
            )
        return addition(grids, node, left, right)
    if isinstance(left, Value):
        assert isinstance(right, Const)
        return _with_constant(grids, node, left, right)
    assert isinstance(right, Value)
    return _from_constant(grids, node, left, right)


def _with_constant(grids: Grids, node: OnnxNode, value: Value, const: Const) -> Value:
    numbers = const.real.astype(np.float64)
    if np.isnan(numbers).any():
        raise NetworkError(f"constant of {node.label} must be of numbers, not NaN")
    if np.broadcast_shapes(value.shape, numbers.shape) != value.shape:
        raise NetworkError(
            f"constant of {node.label} must fit the tensor's shape {list(value.shape)}, not "
            f"{list(numbers.shape)}"
        )
    done: Value | None = None
    match node.kind:
        case "Mul":
            done = affine(grids, node, value, numbers, 0.0)
        case "Div":
            if not np.all(numbers):
                raise NetworkError(f"constant of {node.label} must not be 0")
            done = affine(grids, node, value, 1.0 / numbers, 0.0)
        case "Max" | "Min":
            bounds = [const.real, None] if node.kind == "Max" else [None, const.real]
            done = clipped(value, *clip_bounds(node, bounds))
        case "Add" | "Sub":
            sign = 1.0 if node.kind == "Add" else -1.0
            done = affine(grids, node, value, 1.0, sign * numbers)
            if done is None:
                return constant_addition(grids, node, value, const, sign)
        case "Pow":
            if numbers.size == 1:
                power = float(numbers.reshape(-1)[0])
                done = value.then(lambda x: np.power(x, power))
    if done is None:
        raise NetworkError(
            f"constant of {node.label} must be one number or one a channel, not of shape "
            f"{list(numbers.shape)}"
        )
    return done


def _from_constant(grids: Grids, node: OnnxNode, const: Const, value: Value) -> Value:
    if node.kind in ("Add", "Mul", "Max", "Min"):
        return _with_constant(grids, node, value, const)
    numbers = const.real.astype(np.float64)
    if node.kind == "Sub":
        negative = scaled(value, np.array([-1.0]), np.array([0.0]))
        swapped = replace(node, kind="Add")
        return _with_constant(grids, swapped, negative, const)
    if numbers.size != 1:
        raise NetworkError(
            f"constant of {node.label} must be one number, not of shape {list(numbers.shape)}"
        )
    if numbers.ndim > len(value.shape):
        raise NetworkError(
            f"constant of {node.label} must fit the tensor's shape {list(value.shape)}, not "
            f"{list(numbers.shape)}"
        )
    number = float(numbers.reshape(-1)[0])
    if node.kind == "Div":
        return value.then(lambda x: np.asarray(number / x))
    return value.then(lambda x: np.power(number, x))


def scaled(value: Value, gain: Array, offset: Array) -> Value:
    """Return ``value * gain + offset``; numbers per channel need a linear value."""
    if value.linear:
        return replace(value, a=value.a * gain, b=value.b * gain + offset, grid=None, exact=None)
    factor, extra = float(gain[0]), float(offset[0])
    if value.function is None and factor > 0:
        return replace(
            value,
            a=value.a * factor,
            b=value.b * factor + extra,
            low=value.low * factor + extra,
            high=value.high * factor + extra,
            grid=None,
            exact=None,
        )
    return value.then(lambda x: factor * x + extra)


def clipped(value: Value, low: float, high: float) -> Value:
    """Clip a value to two bounds.

    A value rounded by a quantiser stays on its grid if the bounds lie on that grid: clipping
    before and after rounding is then the same.
    """
    if value.function is not None:
        grid, exact = value.grid, value.exact
        result = value.then(lambda x: np.clip(x, low, high))
        if grid is None or exact is None or not all(_on_grid(b, grid[0]) for b in (low, high)):
            return result
        return replace(result, grid=grid, exact=clipped(exact, low, high))
    return replace(
        value,
        low=float(np.clip(value.low, low, high)),
        high=float(np.clip(value.high, low, high)),
        grid=None,
        exact=None,
    )


def _on_grid(bound: float, scale: float) -> bool:
    steps = bound / scale
    return math.isinf(bound) or abs(steps - round(steps)) < 1e-3


def _per_channel(node: OnnxNode, value: Value, numbers: Array, idle: float) -> Array | None:
    """Return numbers by channel of the source: one if all are equal, None if a channel has more."""
    if numbers.size and np.all(numbers == numbers.reshape(-1)[0]):
        return numbers.reshape(-1)[:1].copy()
    if value.source.scores:
        return None
    shape = value.index.shape
    if value.padded and any(size != 1 for size in numbers.shape[-2:]):
        return None
    try:
        wide = np.broadcast_to(numbers, shape)
    except ValueError:
        raise NetworkError(
            f"constant of {node.label} must fit the tensor's shape {list(value.shape)}, not "
            f"{list(numbers.shape)}"
        ) from None
    channel = value.index % value.source.channels
    found = np.full(value.source.channels, idle)
    found[channel.reshape(-1)] = wide.reshape(-1)
    return found if np.array_equal(found[channel], wide) else None


def _same_source(node: OnnxNode, left: Value, right: Value) -> Value | None:
    """Combine two functions of the same elements into one; None if their arguments differ."""
    gain, offset = _relation(left, right)
    if math.isnan(gain):
        return None

    def second(real: Array) -> Array:
        return right.after(gain * real + offset)

    first = left.after
    combine = {
        "Add": np.add,
        "Sub": np.subtract,
        "Mul": np.multiply,
        "Div": np.divide,
        "Pow": np.power,
        "Max": np.maximum,
        "Min": np.minimum,
    }[node.kind]

    def both(real: Array) -> Array:
        return np.asarray(combine(first(real), second(real)), dtype=np.float64)

    costs = [cost_of(v.function) for v in (left, right)]
    step = Steps((both,), sum(c for c, _ in costs) + 1, max(d for _, d in costs) + 1)
    plain = replace(left, low=-math.inf, high=math.inf, function=None, grid=None, exact=None)
    return plain.then(step)


def _relation(left: Value, right: Value) -> tuple[float, float]:
    """Return gain and offset from the left operand's argument to the right one's; NaN if none."""
    width = max(len(left.a), len(left.b), len(right.a), len(right.b))
    a, b, c, d = (np.broadcast_to(v, width) for v in (left.a, left.b, right.a, right.b))
    if np.any(a == 0):
        return math.nan, math.nan
    gain, offset = c / a, d - c / a * b
    size = float(np.maximum(np.abs(d), np.abs(gain * b)).max())
    flat = np.allclose(gain, gain[0], rtol=1e-6, atol=0) and np.allclose(
        offset, offset[0], rtol=0, atol=1e-6 * size
    )
    return (float(gain[0]), float(offset[0])) if flat else (math.nan, math.nan)
