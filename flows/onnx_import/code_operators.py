"""Operators on integer codes, between a QuantizeLinear and a DequantizeLinear.

All are exact: as a code is ``real / scale + zero_point``, moving, clipping or comparing codes is
the same as doing so with the real numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from flows.onnx_import import float_operators
from flows.onnx_import.elementwise import clip_bounds, clipped
from flows.onnx_import.grids import Grids
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.reader import OnnxNode
from flows.onnx_import.values import CodeTensor, Const, Value

__all__ = ["CODE_KINDS", "cast", "on_codes"]

CODE_KINDS = ("Cast", "Clip", "Concat", "GlobalMaxPool", "Max", "MaxPool", "Min", "Pad", "Relu")
"""Operators supported on codes, besides those that only move elements."""


def on_codes(
    grids: Grids, node: OnnxNode, arguments: Sequence[CodeTensor | Const | None]
) -> CodeTensor | Value:
    """Import an operator whose inputs are codes.

    Raises
    ------
    NetworkError
        If it does arithmetic with codes: that needs a DequantizeLinear before it.
    """
    present = [a for a in arguments if a is not None]
    first = next(a for a in present if isinstance(a, CodeTensor))
    if node.kind == "Cast":
        return cast(grids, node, first)
    if node.kind == "Concat":
        return _joined(grids, node, present)
    codes = grids.with_grid(first, node.label)
    assert codes.scale is not None
    numbers = [a.real if isinstance(a, Const) else None for a in arguments]
    match node.kind:
        case "Relu" | "Clip":
            bounds = clip_bounds(node, numbers[1:])
        case "Max" | "Min" if len(arguments) == 2 and sum(n is not None for n in numbers) == 1:
            (number,) = (n for n in numbers if n is not None)
            bounds = clip_bounds(node, [number, None] if node.kind == "Max" else [None, number])
        case "MaxPool" | "GlobalMaxPool":
            pool = float_operators.pool if node.kind == "MaxPool" else float_operators.global_pool
            return replace(codes, value=pool(grids, node, codes.value))
        case "Pad":
            return _padded(node, codes, numbers[1:])
        case _:
            raise NetworkError(
                f"input of {node.label} must be real numbers, not {first.kind} codes: put a "
                "DequantizeLinear before it"
            )
    low, high = (codes.scale * (bound - codes.zero_point) for bound in bounds)
    if codes.value.padded and not low <= 0 <= high:
        raise NetworkError(
            f"a Pad must be followed by operators that keep its border at 0, not by {node.label}: "
            "put the Pad after it"
        )
    return replace(codes, value=clipped(codes.value, low, high))


def cast(grids: Grids, node: OnnxNode, codes: CodeTensor) -> CodeTensor | Value:
    """Import a cast of codes; to a float type it gives the codes themselves as real numbers."""
    target = node.attributes["to"]
    if target in float_operators.FLOAT_TYPES:
        return grids.relabelled(codes, 1.0, 0, node.label).value
    name = onnx.TensorProto.DataType.Name(target).lower()
    if name != codes.kind:
        raise NetworkError(
            f"target of {node.label} must be a float type for {codes.kind} codes, not {name}"
        )
    return codes


def _joined(grids: Grids, node: OnnxNode, parts: Sequence[CodeTensor | Const]) -> CodeTensor:
    """Concatenate codes, and interpret them all on the grid of the first."""
    tensors = [grids.with_grid(p, node.label) for p in parts if isinstance(p, CodeTensor)]
    first = tensors[0]
    scale, zero = first.scale, first.zero_point
    assert scale is not None
    values: list[Value | Const] = []
    for part in parts:
        if isinstance(part, Const):
            steps = part.real.astype(np.int64) - zero
            values.append(Const(real=steps * scale, codes=steps, scale=np.full(steps.shape, scale)))
        else:
            values.append(grids.relabelled(part, scale, zero, node.label).value)
    joined = float_operators.concat(grids, node, values)
    rounded = grids.quantise(joined, scale, zero - first.offset, node.label)
    return replace(first, value=rounded)


def _padded(
    node: OnnxNode, codes: CodeTensor, numbers: Sequence[NDArray[Any] | None]
) -> CodeTensor:
    """Import a Pad of codes, whose fill must be the code of the real number 0."""
    given = numbers[1] if len(numbers) > 1 else None
    fill = 0 if given is None else int(np.asarray(given).reshape(-1)[0])
    if fill != codes.zero_point:
        raise NetworkError(
            f"value of {node.label} must be the zero point {codes.zero_point} of its codes, not "
            f"{fill}"
        )
    plain = [numbers[0], None, numbers[2] if len(numbers) > 2 else None]
    return replace(codes, value=float_operators.pad(node, codes.value, plain))
