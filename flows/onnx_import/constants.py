"""What only depends on constants is worked out while the file is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from flows.onnx_import.errors import NetworkError
from flows.onnx_import.reader import OnnxNode
from flows.onnx_import.row_formats import format_indices
from flows.onnx_import.values import Const, Indices

__all__ = ["along", "folded", "formats_along", "joined"]


def folded(node: OnnxNode, arguments: list[Const | None], opset_version: int) -> list[Const]:
    """A node that only depends on constants: its result, by ONNX's own reference."""
    names = [f"i{position}" for position in range(len(arguments))]
    feeds = {n: a.real for n, a in zip(names, arguments, strict=True) if a is not None}
    proto = onnx.helper.make_node(
        node.kind,
        [n if n in feeds else "" for n in names],
        [f"o{position}" for position in range(len(node.outputs))],
        **node.attributes,
    )
    graph = onnx.helper.make_graph(
        [proto],
        "constant",
        [_any_tensor(n, a) for n, a in feeds.items()],
        [onnx.helper.make_empty_tensor_value_info(o) for o in proto.output],
    )
    opset = onnx.helper.make_opsetid("", opset_version)
    try:
        model = onnx.helper.make_model(graph, opset_imports=[opset])
        results = ReferenceEvaluator(model).run(None, feeds)
    except Exception:
        raise NetworkError(
            f"constant {node.label} must be computable, not fail on its inputs"
        ) from None
    return [Const(real=np.asarray(result)) for result in results]


def joined(node: OnnxNode, parts: list[Const]) -> Const:
    """Constants side by side; codes stay where all have them."""
    axis = node.attributes["axis"]

    def join(arrays: list[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([np.atleast_1d(a) for a in arrays], axis=axis)

    codes = [p.codes for p in parts if p.codes is not None]
    scales = [p.scale for p in parts if p.scale is not None]
    formats = [p.formats for p in parts if p.formats is not None]
    whole = len(codes) == len(scales) == len(parts)
    if formats and len(formats) < len(parts):
        raise NetworkError(f"row formats must be of all weights that {node.label} joins, or none")
    return Const(
        real=join([p.real for p in parts]),
        codes=join(codes) if whole else None,
        scale=join(scales) if whole else None,
        formats=join(formats) if whole and formats else None,
    )


def along(numbers: NDArray[Any], axis: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Numbers of a whole tensor or along one axis, at the tensor's full shape."""
    wide = np.asarray(numbers, dtype=np.float64)
    if wide.size == 1:
        return np.full(shape, float(wide.reshape(-1)[0]))
    sizes = [1] * len(shape)
    sizes[axis] = -1
    return np.broadcast_to(wide.reshape(sizes), shape)


def _any_tensor(name: str, array: NDArray[Any]) -> onnx.ValueInfoProto:
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype)
    return onnx.helper.make_tensor_value_info(name, kind, list(np.shape(array)))


def formats_along(kinds: Sequence[str], name: str, shape: tuple[int, ...], axis: int) -> Indices:
    """Numbers of the row formats of initializer ``name``, at its full shape.

    Raises
    ------
    NetworkError
        If they are not one for every position of the axis.
    """
    if not -len(shape) <= axis < len(shape) or len(kinds) != shape[axis]:
        raise NetworkError(
            f"row formats of {name!r} must be one for every position of axis {axis} of the "
            f"shape {list(shape)}, not {len(kinds)}"
        )
    return along(format_indices(kinds), axis, shape).astype(np.int64)
