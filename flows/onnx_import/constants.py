"""Constant folding, and constants as codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from flows.onnx_import.import_limits import CONSTANT_MAX, check_elements
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.reader import OnnxNode
from flows.onnx_import.row_formats import format_indices
from flows.onnx_import.values import Codes, Const, Indices, Operation, Value, storage_index

__all__ = ["along", "constant_codes", "folded", "formats_along", "joined"]

_SHAPE_SIZE = 64
"""Largest number of elements of a tensor taken for a shape, a list of axes or the like."""
_RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
           "RandomUniformLike"}  # fmt: skip
_PRODUCTS = {"Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul"}
"""Operators whose run time grows faster than the number of their elements."""
_PRODUCT_MAX = 1 << 21
_NO_LARGER = {"Compress", "NonMaxSuppression", "NonZero", "Unique"}
"""Operators whose result has a data-dependent size, at most a few times that of the input."""


def folded(node: OnnxNode, arguments: list[Const | None], opset_version: int) -> list[Const]:
    """Evaluate a node that depends only on constants, by ONNX's own reference.

    Raises
    ------
    NetworkError
        If the node has a subgraph (a loop may never end), if its result is random, of unknown shape
        or larger than any weight, or if the reference fails on it.
    """
    if any(isinstance(a, onnx.GraphProto) for a in node.attributes.values()):
        raise NetworkError(
            f"constant {node.label} must be worked out before the file is imported: run "
            "onnxruntime's quant_pre_process or a simplifier on it"
        )
    if node.kind in _RANDOM:
        raise NetworkError(f"constant {node.label} must be a known number, not a random one")
    if node.kind in _PRODUCTS:
        check_elements(
            f"inputs of constant {node.label}",
            [sum(a.real.size for a in arguments if a is not None)],
            _PRODUCT_MAX,
        )
    names = [f"i{position}" for position in range(len(arguments))]
    feeds = {n: a.real for n, a in zip(names, arguments, strict=True) if a is not None}
    proto = onnx.helper.make_node(
        node.kind,
        [n if n in feeds else "" for n in names],
        [f"o{position}" for position in range(len(node.outputs))],
        **node.attributes,
    )
    try:
        model = _one_node(proto, feeds, opset_version)
        _check_size(node, model)
        results = ReferenceEvaluator(model).run(
            None, {n: feeds[n] for n in feeds if n in {i.name for i in model.graph.input}}
        )
    except NetworkError:
        raise
    except Exception:
        # The reference evaluator's errors have no common class.
        raise NetworkError(
            f"constant {node.label} must be computable, not fail on its inputs"
        ) from None
    return [Const(real=np.asarray(result)) for result in results]


def _one_node(
    proto: onnx.NodeProto, feeds: dict[str, NDArray[Any]], opset_version: int
) -> onnx.ModelProto:
    """Return a model of one node.

    Arguments that may determine the result's shape are initializers, the others are inputs.
    """
    small = {n: a for n, a in feeds.items() if a.size <= _SHAPE_SIZE and a.dtype.kind in "iuf"}
    graph = onnx.helper.make_graph(
        [proto],
        "constant",
        [_any_tensor(n, a) for n, a in feeds.items() if n not in small],
        [onnx.helper.make_empty_tensor_value_info(o) for o in proto.output],
        [onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in small.items()],
    )
    opset = onnx.helper.make_opsetid("", opset_version)
    return onnx.helper.make_model(graph, opset_imports=[opset])


def _check_size(node: OnnxNode, model: onnx.ModelProto) -> None:
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for output in inferred.graph.output:
        kind = output.type.tensor_type
        sizes = [d.dim_value for d in kind.shape.dim if d.HasField("dim_value")]
        if not kind.HasField("shape") or (
            len(sizes) < len(kind.shape.dim) and node.kind not in _NO_LARGER
        ):
            raise NetworkError(
                f"shape of constant {node.label} must follow from its inputs' shapes"
            )
        check_elements(f"constant {node.label}", sizes, CONSTANT_MAX)


def constant_codes(label: str, const: Const) -> Codes:
    """Convert a constant tensor in storage order to codes.

    Numbers that the file stores as codes on one grid keep that grid. Others are rounded to 127
    steps and marked as rounded; their users decide whether that is accurate enough.
    """
    shape = const.real.shape
    numbers = const.real.astype(np.float64)
    constant = Operation(label=label, shape=shape, kind="Constant", inputs=())
    constant.details["real"] = numbers
    peak = float(np.abs(numbers).max())
    scale, zero_point = peak / 127 or 1.0, 0
    if const.codes is not None and const.scale is not None:
        low, high = int(const.codes.min()), int(const.codes.max())
        zero = 0 if low >= -128 and high <= 127 else min(max(-128 - low, -128), 127)
        one = float(const.scale.reshape(-1)[0])
        if np.all(const.scale == one) and low + zero >= -128 and high + zero <= 127:
            scale, zero_point = one, zero
    if not _on_grid(numbers, scale):
        constant.details["rounded"] = True
    return Codes(
        label=label,
        shape=shape,
        value=Value(source=constant, index=storage_index(shape)),
        scale=scale,
        zero_point=zero_point,
    )


def _on_grid(numbers: NDArray[np.float64], scale: float) -> bool:
    """Test that numbers are whole multiples of a scale."""
    steps = numbers / scale
    return bool(np.abs(steps - np.rint(steps)).max() < 1e-3)


def joined(node: OnnxNode, parts: list[Const]) -> Const:
    """Concatenate constants; the result has codes if all of them have."""
    axis = node.attributes["axis"]
    check_elements(f"constant {node.label}", [sum(p.real.size for p in parts)], CONSTANT_MAX)

    def join(arrays: list[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([np.atleast_1d(a) for a in arrays], axis=axis)

    codes = [p.codes for p in parts if p.codes is not None]
    scales = [p.scale for p in parts if p.scale is not None]
    formats = [p.formats for p in parts if p.formats is not None]
    whole = len(codes) == len(scales) == len(parts)
    if formats and len(formats) < len(parts):
        raise NetworkError(
            f"row formats must be given for all weights that {node.label} joins, or for none"
        )
    return Const(
        real=join([p.real for p in parts]),
        codes=join(codes) if whole else None,
        scale=join(scales) if whole else None,
        formats=join(formats) if whole and formats else None,
    )


def along(numbers: NDArray[Any], axis: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Broadcast one number, or numbers along one axis, to the tensor's full shape."""
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
    """Return the indices of the row formats of initializer ``name``, at its full shape.

    Raises
    ------
    NetworkError
        If the axis does not have one format per position.
    """
    if not -len(shape) <= axis < len(shape) or len(kinds) != shape[axis]:
        raise NetworkError(
            f"row formats of {name!r} must be one for every position of axis {axis} of the "
            f"shape {list(shape)}, not {len(kinds)}"
        )
    return along(format_indices(kinds), axis, shape).astype(np.int64)
