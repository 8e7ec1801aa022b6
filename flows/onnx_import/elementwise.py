"""Sums, products and functions of tensors: folded into a Value, or a residual addition."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.onnx_import.errors import NetworkError
from flows.onnx_import.functions import FUNCTIONS, function_of
from flows.onnx_import.grids import Grids, Operand
from flows.onnx_import.reader import OnnxNode
from flows.onnx_import.values import (
    Array,
    Codes,
    Const,
    Indices,
    Operation,
    Value,
    storage_index,
)

__all__ = ["BINARY_KINDS", "UNARY_KINDS", "affine", "binary", "unary"]

BINARY_KINDS = frozenset({"Add", "Sub", "Mul", "Div", "Pow"})
UNARY_KINDS = frozenset(FUNCTIONS) | {"Clip", "Neg", "PRelu", "Relu"}


def unary(node: OnnxNode, value: Value, numbers: list[NDArray[Any] | None]) -> Value:
    """A node with one tensor; ``numbers`` are its constant inputs (bounds of Clip)."""
    match node.kind:
        case "Neg":
            return _scaled(value, np.array([-1.0]), np.array([0.0]))
        case "Relu":
            return _clipped(value, 0.0, math.inf)
        case "Clip":
            given: list[Any] = [*numbers, None, None][:2]
            low = node.attributes.get("min", -math.inf) if given[0] is None else float(given[0])
            high = node.attributes.get("max", math.inf) if given[1] is None else float(given[1])
            return _clipped(value, low, high)
        case "PRelu":
            slope = np.asarray(numbers[0], dtype=np.float64)
            if slope.size != 1:
                raise NetworkError(
                    f"slope of {node.label} must be one number, not {slope.size} of them"
                )
            return value.then(lambda x: np.where(x < 0, float(slope.reshape(-1)[0]) * x, x))
    return value.then(function_of(node.kind, node.attributes))


def affine(grids: Grids, node: OnnxNode, value: Value, gain: Any, offset: Any) -> Value | None:
    """``value * gain + offset`` with numbers of broadcastable shape.

    None if the numbers differ among the positions of one channel.
    """
    factor = _per_channel(value, np.asarray(gain, dtype=np.float64), 1.0)
    extra = _per_channel(value, np.asarray(offset, dtype=np.float64), 0.0)
    if factor is None or extra is None:
        return None
    if (len(factor) > 1 or len(extra) > 1) and not value.linear:
        value = grids.coded(value, node.label)
    return _scaled(value, factor, extra)


def binary(grids: Grids, node: OnnxNode, left: Value | Const, right: Value | Const) -> Value:
    """Add, Sub, Mul, Div or Pow with at least one tensor computed from the image."""
    if isinstance(left, Value) and isinstance(right, Value):
        if left.source is right.source and np.array_equal(left.index, right.index):
            merged = _same_source(node, left, right)
            if merged is not None:
                return merged
        if node.kind not in ("Add", "Sub"):
            raise NetworkError(
                f"operands of {node.label} must be a tensor and constants, or functions of one "
                "tensor, not two tensors computed from the image"
            )
        return _addition(grids, node, left, right)
    if isinstance(left, Value):
        assert isinstance(right, Const)
        return _with_constant(grids, node, left, right)
    assert isinstance(right, Value)
    return _from_constant(grids, node, left, right)


def _with_constant(grids: Grids, node: OnnxNode, value: Value, const: Const) -> Value:
    numbers = const.real.astype(np.float64)
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
            done = affine(grids, node, value, 1.0 / numbers, 0.0)
        case "Add" | "Sub":
            signed = numbers if node.kind == "Add" else -numbers
            done = affine(grids, node, value, 1.0, signed)
            if done is None:
                return _constant_addition(grids, node, value, signed)
        case "Pow":
            if numbers.size == 1:
                power = float(numbers.reshape(-1)[0])
                done = value.then(lambda x: np.nan_to_num(np.power(x, power)))
    if done is None:
        raise NetworkError(
            f"constant of {node.label} must be one number or one a channel, not of shape "
            f"{list(numbers.shape)}"
        )
    return done


def _from_constant(grids: Grids, node: OnnxNode, const: Const, value: Value) -> Value:
    if node.kind in ("Add", "Mul"):
        return _with_constant(grids, node, value, const)
    numbers = const.real.astype(np.float64)
    if node.kind == "Sub":
        negative = _scaled(value, np.array([-1.0]), np.array([0.0]))
        swapped = replace(node, kind="Add")
        return _with_constant(grids, swapped, negative, const)
    if numbers.size != 1:
        raise NetworkError(
            f"constant of {node.label} must be one number, not of shape {list(numbers.shape)}"
        )
    number = float(numbers.reshape(-1)[0])
    if node.kind == "Div":
        with np.errstate(all="ignore"):
            return value.then(lambda x: np.asarray(np.nan_to_num(number / x)))
    return value.then(lambda x: np.nan_to_num(np.power(number, x)))


def _scaled(value: Value, gain: Array, offset: Array) -> Value:
    if value.linear:
        return replace(value, a=value.a * gain, b=value.b * gain + offset, grid=None, exact=None)
    factor, extra = float(gain[0]), float(offset[0])
    return value.then(lambda x: factor * x + extra)


def _clipped(value: Value, low: float, high: float) -> Value:
    if value.function is not None:
        return value.then(lambda x: np.clip(x, low, high))
    return replace(
        value,
        low=float(np.clip(value.low, low, high)),
        high=float(np.clip(value.high, low, high)),
        grid=None,
        exact=None,
    )


def _per_channel(value: Value, numbers: Array, idle: float) -> Array | None:
    """Numbers for every channel of the source, one if all are equal, None if they vary inside."""
    if numbers.size and np.all(numbers == numbers.reshape(-1)[0]):
        return numbers.reshape(-1)[:1].copy()
    if value.source.scores:
        return None
    wide = np.broadcast_to(numbers, value.shape)
    channel = value.index % value.source.channels
    found = np.full(value.source.channels, idle)
    found[channel.reshape(-1)] = wide.reshape(-1)
    return found if np.array_equal(found[channel], wide) else None


def _same_source(node: OnnxNode, left: Value, right: Value) -> Value | None:
    """Both operands are functions of the same elements: so is the result."""
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
    }[node.kind]

    def both(real: Array) -> Array:
        with np.errstate(all="ignore"):
            result = combine(first(real), second(real))
        return np.asarray(np.nan_to_num(result), dtype=np.float64)

    plain = replace(left, low=-math.inf, high=math.inf, function=None, grid=None, exact=None)
    return plain.then(both)


def _relation(left: Value, right: Value) -> tuple[float, float]:
    """``gain, offset`` so that the right operand's argument is ``gain * left's + offset``."""
    width = max(len(left.a), len(left.b), len(right.a), len(right.b))
    a, b, c, d = (np.broadcast_to(v, width) for v in (left.a, left.b, right.a, right.b))
    if np.any(a == 0):
        return math.nan, math.nan
    gain, offset = c / a, d - c / a * b
    flat = np.allclose(gain, gain[0], rtol=1e-6) and np.allclose(
        offset, offset[0], rtol=1e-6, atol=1e-9
    )
    return (float(gain[0]), float(offset[0])) if flat else (math.nan, math.nan)


def _addition(grids: Grids, node: OnnxNode, left: Value, right: Value) -> Value:
    if left.shape != right.shape:
        raise NetworkError(
            f"operands of {node.label} must have one shape, not {list(left.shape)} and "
            f"{list(right.shape)}"
        )
    left, right = grids.coded(left, node.label), grids.coded(right, node.label)
    first = _whole(left) or _whole(right)
    if first is not None:
        shape, order = first
    else:
        shape = (left.index.size // left.shape[-1], left.shape[-1])
        order = np.arange(left.index.size)
    operands = [
        grids.operand(v, v.index.reshape(-1)[order].reshape(shape), node.label)
        for v in (left, right)
    ]
    signs = (1.0, -1.0 if node.kind == "Sub" else 1.0)
    return _sum(node, operands, signs, order, left.shape)


def _constant_addition(grids: Grids, node: OnnxNode, value: Value, numbers: Array) -> Value:
    """A tensor plus a constant that differs from position to position."""
    if value.source.scores:
        raise NetworkError(
            f"{node.label} must not add a mask to attention scores: masks are not supported"
        )
    value = grids.coded(value, node.label)
    whole = _whole(value)
    if whole is not None:
        shape, order = whole
    else:
        shape = (value.index.size // value.shape[-1], value.shape[-1])
        order = np.arange(value.index.size)
    operand = grids.operand(value, value.index.reshape(-1)[order].reshape(shape), node.label)
    wide = np.broadcast_to(numbers, value.shape).reshape(-1)[order].reshape(shape)
    constant = Operation(label=f"constant of {node.label}", shape=shape, kind="Constant", inputs=())
    constant.details["real"] = wide
    peak = float(np.abs(wide).max())
    codes = Codes(
        label=constant.label,
        shape=shape,
        value=Value(source=constant, index=storage_index(shape)),
        scale=peak / 127,
        zero_point=0,
    )
    return _sum(node, [operand, Operand(codes, codes.scale)], (1.0, 1.0), order, value.shape)


def _whole(value: Value) -> tuple[tuple[int, ...], Indices] | None:
    """Storage shape of the source and the order of the elements in it, if all are there."""
    flat = value.index.reshape(-1)
    if flat.size != value.source.size:
        return None
    order = np.argsort(flat, kind="stable")
    if not np.array_equal(flat[order], np.arange(flat.size)):
        return None
    return value.source.shape, order


def _sum(
    node: OnnxNode,
    operands: list[Operand],
    signs: tuple[float, float],
    order: Indices,
    shape: tuple[int, ...],
) -> Value:
    result = Operation(
        label=node.label,
        shape=operands[0].shape,
        scores=operands[0].codes.scores,
        kind="Add",
        inputs=tuple(operand.codes for operand in operands),
        details={"scales": [s * o.scale for s, o in zip(signs, operands, strict=True)]},
    )
    index = np.empty(order.size, dtype=np.int64)
    index[order] = np.arange(order.size)
    return Value(source=result, index=index.reshape(shape))
