"""Operators on real numbers: dispatches each node to the function of its operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from flows.onnx_import import elementwise, float_operators, products
from flows.onnx_import.grids import Grids
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.reader import OnnxNode
from flows.onnx_import.values import CodeTensor, Const, Value

__all__ = ["compute", "numbers_of"]


def compute(grids: Grids, node: OnnxNode, arguments: Sequence[Value | Const | None]) -> Value:
    """Import a node with at least one argument that is computed from the image.

    Raises
    ------
    NetworkError
        If the node has an unsupported form.
    """
    if node.kind in elementwise.BINARY_KINDS:
        if len(arguments) != 2 or arguments[0] is None or arguments[1] is None:
            raise NetworkError(f"{node.label} must have two inputs, not {len(arguments)}")
        return elementwise.binary(grids, node, arguments[0], arguments[1])
    value = arguments[0]
    if node.kind == "Concat":
        return float_operators.concat(grids, node, [a for a in arguments if a is not None])
    if not isinstance(value, Value):
        raise NetworkError(
            f"left operand of {node.label} must be computed from the image, not a constant"
        )
    if node.kind in elementwise.UNARY_KINDS:
        return elementwise.unary(node, value, numbers_of(node, arguments[1:]))
    match node.kind:
        case "Conv" | "Gemm":
            weights, bias = _constants(node, arguments, 2)
            make = products.convolution if node.kind == "Conv" else products.gemm
            if weights is None:
                raise NetworkError(f"weights of {node.label} must be a constant, not left out")
            return make(grids, node, value, weights, bias)
        case "MatMul":
            right = arguments[1]
            assert right is not None
            return products.matmul(grids, node, value, right)
        case "LayerNormalization":
            gain, offset = _constants(node, arguments, 2)
            return float_operators.layer_norm(grids, node, value, gain, offset)
        case "BatchNormalization":
            given = [c for c in _constants(node, arguments, 4) if c is not None]
            return float_operators.batch_norm(grids, node, value, given)
        case "Softmax":
            return float_operators.softmax(grids, node, value)
        case "AveragePool" | "MaxPool":
            return float_operators.pool(grids, node, value)
        case "GlobalAveragePool" | "GlobalMaxPool":
            return float_operators.global_pool(grids, node, value)
        case "ReduceMean":
            (axes,) = (*numbers_of(node, arguments[1:]), None)[:1]
            return float_operators.reduce_mean(grids, node, value, axes)
        case "Pad":
            return float_operators.pad(node, value, numbers_of(node, arguments[1:]))
        case "Cast":
            return float_operators.cast(node, value)
    raise AssertionError(node.kind)


def numbers_of(
    node: OnnxNode, arguments: Sequence[Value | CodeTensor | Const | None]
) -> list[NDArray[Any] | None]:
    """Return the numbers of ``arguments``, the node's last inputs, which must be constants.

    Raises
    ------
    NetworkError
        If one is computed from the image.
    """
    names = node.inputs[len(node.inputs) - len(arguments) :]
    for name, argument in zip(names, arguments, strict=True):
        if isinstance(argument, Value | CodeTensor):
            raise NetworkError(
                f"input {name!r} of {node.label} must be a constant, not computed from the image"
            )
    return [a.real if isinstance(a, Const) else None for a in arguments]


def _constants(
    node: OnnxNode, arguments: Sequence[Value | Const | None], count: int
) -> list[Const | None]:
    """Return the inputs after the first, which must be constants."""
    found = [*arguments[1 : count + 1], *[None] * count][:count]
    numbers_of(node, arguments[1:])
    return [a for a in found if not isinstance(a, Value)]
