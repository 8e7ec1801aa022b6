"""Sums of two tensors, and of a tensor and a constant that differs from position to position."""

from __future__ import annotations

import numpy as np

from flows.onnx_import.constants import constant_codes
from flows.onnx_import.grids import Grids, Operand
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.reader import OnnxNode
from flows.onnx_import.values import Const, Indices, Operation, Value

__all__ = ["addition", "constant_addition"]


def addition(grids: Grids, node: OnnxNode, left: Value, right: Value) -> Value:
    """Import the addition or subtraction of two tensors of equal shape."""
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


def constant_addition(
    grids: Grids, node: OnnxNode, value: Value, const: Const, sign: float
) -> Value:
    """Import a tensor plus (or minus) a constant that differs between positions."""
    if value.source.scores:
        raise NetworkError(
            f"{node.label} must not add a mask to attention scores: masks are not supported"
        )
    value = grids.coded(value, node.label)
    whole = _whole(value)
    if whole is not None:
        shape, order = whole
    else:
        shape = (value.index.size // value.index.shape[-1], value.index.shape[-1])
        order = np.arange(value.index.size)
    operand = grids.operand(value, value.index.reshape(-1)[order].reshape(shape), node.label)
    constant = constant_codes(
        f"constant of {node.label}",
        const.mapped(lambda x: np.broadcast_to(x, value.shape).reshape(-1)[order].reshape(shape)),
    )
    addend = Operand(constant, constant.scale)
    return _sum(node, [operand, addend], (1.0, sign), order, value.shape)


def _whole(value: Value) -> tuple[tuple[int, ...], Indices] | None:
    """Return the source's storage shape and its elements' order, if the value has all of them."""
    flat = value.index.reshape(-1)
    if flat.size != value.source.size:
        return None
    # Invert the permutation without sorting; if it is none, some entry stays -1.
    order = np.full(flat.size, -1, dtype=np.int64)
    order[flat] = np.arange(flat.size)
    return None if np.any(order < 0) else (value.source.shape, order)


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
