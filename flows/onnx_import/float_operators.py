"""Normalisation, softmax, pooling, concatenation and padding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from flows.onnx_import.elementwise import affine
from flows.onnx_import.grids import Grids
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.products import auto_padding
from flows.onnx_import.ranges import reach
from flows.onnx_import.reader import OnnxNode
from flows.onnx_import.values import Codes, Const, Operation, Value, channel_last, storage_index

__all__ = [
    "FLOAT_TYPES",
    "batch_norm",
    "concat",
    "global_pool",
    "layer_norm",
    "pad",
    "pool",
    "reduce_mean",
    "softmax",
]

_HALF_LEAST, _HALF_MOST = 2.0**-14, 65504.0
"""Smallest normal and largest number of half precision."""
FLOAT_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)
"""Float types; casts between them are ignored, as 8-bit codes do not show their difference."""


def layer_norm(
    grids: Grids, node: OnnxNode, value: Value, gain: Const | None, offset: Const | None
) -> Value:
    """Import LayerNormalization over the last axis."""
    axis = node.attributes.get("axis", -1)
    rank = len(value.shape)
    if axis not in (-1, rank - 1):
        raise NetworkError(f"axis of {node.label} must be the last one, not {axis}")
    channels = value.shape[-1]
    value = grids.coded(value, node.label)
    operand = grids.operand(value, value.index.reshape(-1, channels), node.label)
    result = Operation(
        label=node.label,
        shape=operand.shape,
        kind="LayerNorm",
        inputs=(operand.codes,),
        details={"epsilon": node.attributes.get("epsilon", 1e-5), "scale": operand.scale},
    )
    normal = Value(source=result, index=storage_index(operand.shape).reshape(value.shape))
    scaled = affine(
        grids,
        node,
        normal,
        1.0 if gain is None else gain.real,
        0.0 if offset is None else offset.real,
    )
    if scaled is None:
        raise NetworkError(f"gain and offset of {node.label} must be one number a channel")
    return scaled


def batch_norm(grids: Grids, node: OnnxNode, value: Value, numbers: list[Const]) -> Value:
    """Import BatchNormalization with constant statistics: gain and offset per channel."""
    if node.attributes.get("training_mode", 0):
        raise NetworkError(f"training_mode of {node.label} must be 0, not 1")
    gain, offset, mean, variance = (c.real.astype(np.float64) for c in numbers)
    with np.errstate(all="ignore"):
        factor = gain / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    if not np.all(np.isfinite(factor) & np.isfinite(offset - mean * factor)):
        raise NetworkError(
            f"scale, offset, mean and variance of {node.label} must make finite numbers: NaN, "
            "infinity, or a variance below 0 is among them"
        )
    shape = (-1, *(1 for _ in value.shape[2:]))
    extra = offset - mean * factor
    scaled = affine(grids, node, value, factor.reshape(shape), extra.reshape(shape))
    if scaled is None:
        raise NetworkError(f"channels of {node.label} must be the channels of its input")
    return scaled


def softmax(grids: Grids, node: OnnxNode, value: Value) -> Value:
    """Import Softmax over the last axis."""
    axis = node.attributes.get("axis", -1)
    if axis not in (-1, len(value.shape) - 1):
        raise NetworkError(f"axis of {node.label} must be the last one, not {axis}")
    value = grids.coded(value, node.label)
    keys = value.shape[-1]
    scores = value.source.scores and value.source.channels == keys
    shape = value.source.shape if scores else (value.index.size // keys, keys)
    operand = grids.operand(value, value.index.reshape(shape), node.label)
    result = Operation(
        label=node.label,
        shape=shape,
        scores=scores,
        kind="Softmax",
        inputs=(operand.codes,),
        details={"scale": operand.scale},
    )
    return Value(source=result, index=storage_index(shape).reshape(value.shape))


def pool(grids: Grids, node: OnnxNode, value: Value) -> Value:
    """Import MaxPool and AveragePool."""
    attributes = node.attributes
    kernel = tuple(attributes["kernel_shape"])
    if len(value.shape) != 4 or len(kernel) != 2:
        raise NetworkError(
            f"input of {node.label} must be [1, channels, height, width], not {list(value.shape)}"
        )
    stride = tuple(attributes.get("strides", (1, 1)))
    if tuple(attributes.get("dilations", (1, 1))) != (1, 1):
        raise NetworkError(f"dilation of {node.label} must be 1, not {attributes['dilations']}")
    pads = auto_padding(node, value.shape[2:], list(kernel), stride)
    spans = [
        n + pads[i] + pads[i + 2] - k
        for i, (n, k) in enumerate(zip(value.shape[2:], kernel, strict=True))
    ]
    if attributes.get("ceil_mode", 0) and any(n % s for n, s in zip(spans, stride, strict=True)):
        raise NetworkError(f"ceil_mode of {node.label} must be 0, not 1")
    counted = bool(attributes.get("count_include_pad", 0))
    if value.padded:
        value, pads, counted = _taken_over(grids, node, value, pads, counted)
    return _pooled(grids, node, value, kernel, stride, pads, counted)


def _taken_over(
    grids: Grids, node: OnnxNode, value: Value, pads: tuple[int, ...], counted: bool
) -> tuple[Value, tuple[int, ...], bool]:
    """Convert zeros from a Pad to padding of the pool itself, if that gives the same result.

    A pool ignores its own padding, but not the zeros of a Pad. An average must count them, so it
    becomes one that counts its padding. A maximum is the same if no number is negative.
    """
    value = grids.coded(value, node.label)
    if "Max" in node.kind:
        if reach(value)[0] < 0:
            raise NetworkError(
                f"a Pad before {node.label} must be around numbers that are not negative (behind a "
                "Relu), whose maximum with zeros is the maximum without"
            )
    elif any(pads) and not counted:
        raise NetworkError(
            f"a Pad must be followed by an average pool without padding of its own, not by "
            f"{node.label}"
        )
    both = tuple(p + q for p, q in zip(pads, value.padding, strict=True))
    return replace(value, padding=(0, 0, 0, 0)), both, True


def global_pool(grids: Grids, node: OnnxNode, value: Value) -> Value:
    """Import GlobalAveragePool and GlobalMaxPool: one window over the whole image."""
    if len(value.shape) != 4:
        raise NetworkError(
            f"input of {node.label} must be [1, channels, height, width], not {list(value.shape)}"
        )
    kernel = value.shape[2:]
    return _pooled(grids, node, value, kernel, kernel, (0, 0, 0, 0), False)


def _pooled(
    grids: Grids,
    node: OnnxNode,
    value: Value,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pads: tuple[int, ...],
    counted: bool,
) -> Value:
    value = grids.coded(value, node.label)
    operand = grids.operand(value, channel_last(value.index, node.label), node.label)
    sizes = operand.shape[0] + pads[0] + pads[2], operand.shape[1] + pads[1] + pads[3]
    if sizes[0] < kernel[0] or sizes[1] < kernel[1]:
        raise NetworkError(
            f"kernel of {node.label} must fit its input, not {list(kernel)} on {list(sizes)} pixels"
        )
    if max(pads[0], pads[2]) >= kernel[0] or max(pads[1], pads[3]) >= kernel[1]:
        raise NetworkError(
            f"padding of {node.label}, with that of a Pad before it, must be smaller than its "
            f"kernel {list(kernel)}, not {list(pads)}"
        )
    height, width, channels = operand.shape
    shape = (
        (height + pads[0] + pads[2] - kernel[0]) // stride[0] + 1,
        (width + pads[1] + pads[3] - kernel[1]) // stride[1] + 1,
        channels,
    )
    details: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": pads}
    index = storage_index(shape).transpose(2, 0, 1)[None]
    if "Max" in node.kind:
        codes = grids.same(operand.codes, "MaxPool", shape, **details)
        return Value(source=codes, index=index, a=value.a)
    details |= {"scale": operand.scale, "count_padding": counted}
    result = Operation(
        label=node.label,
        shape=shape,
        kind="AveragePool",
        inputs=(operand.codes,),
        details=details,
    )
    return Value(source=result, index=index)


def reduce_mean(
    grids: Grids, node: OnnxNode, value: Value, axes: NDArray[np.int64] | None
) -> Value:
    """Import ReduceMean over the pixels of an image or the tokens of a list."""
    given = node.attributes.get("axes") if axes is None else axes.tolist()
    rank = len(value.shape)
    where = sorted(axis % rank for axis in given) if given else list(range(rank))
    if rank == 4 and where == [2, 3]:
        there, back = (0, 1, 2, 3), (0, 1, 2, 3)
    elif rank == 4 and where == [1, 2]:
        there, back = (0, 3, 1, 2), (0, 2, 3, 1)
    elif rank == 3 and where == [1]:
        # Tokens are pooled as an image of one row.
        value = value.moved(value.index[:, None])
        there, back = (0, 3, 1, 2), (0, 2, 3, 1)
    else:
        raise NetworkError(
            f"axes of {node.label} must be height and width of an image or the tokens of a list, "
            f"not {where} of the shape {list(value.shape)}"
        )
    mean = global_pool(grids, node, value.moved(value.index.transpose(there)))
    index = mean.index.transpose(back)
    if rank == 3:
        index = index[:, 0]
    if not node.attributes.get("keepdims", 1):
        index = index.squeeze(tuple(where))
    return mean.moved(index)


def concat(grids: Grids, node: OnnxNode, parts: list[Value | Const]) -> Value:
    """Import Concat: elements of one source only move, tokens of several are put on one grid."""
    rank = len(parts[0].shape)
    axis = node.attributes["axis"] % rank
    values = [part for part in parts if isinstance(part, Value)]
    first = values[0]
    if len(values) == len(parts) and all(
        v.source is first.source
        and v.linear
        and np.array_equal(v.a, first.a)
        and np.array_equal(v.b, first.b)
        for v in values
    ):
        return first.moved(np.concatenate([v.index for v in values], axis=axis))
    if not (rank == 3 and axis == 1) and not (rank == 2 and axis == 0):
        raise NetworkError(
            f"{node.label} must join tokens (axis 1 of [batch, tokens, channels]), not axis {axis} "
            f"of rank {rank}"
        )
    channels = first.shape[-1]
    joined = [_constant_tokens(node, p) if isinstance(p, Const) else p for p in parts]
    tokens = [v.index.size // channels for v in joined]
    result = Operation(
        label=node.label,
        shape=(sum(tokens), channels),
        kind="Join",
        inputs=(),
        details={
            "values": [_coded_or_constant(grids, node, v) for v in joined],
            "arrangements": [v.index.reshape(-1, channels) for v in joined],
        },
    )
    shape = list(first.shape)
    shape[axis] = sum(tokens)
    return Value(source=result, index=storage_index(result.shape).reshape(shape))


def _coded_or_constant(grids: Grids, node: OnnxNode, value: Value) -> Value:
    source = value.source
    if isinstance(source, Operation) and source.kind == "Constant":
        return value
    return grids.coded(value, node.label)


def _constant_tokens(node: OnnxNode, const: Const) -> Value:
    numbers = const.real.astype(np.float64)
    shape = (numbers.size // numbers.shape[-1], numbers.shape[-1])
    constant = Operation(label=f"constant of {node.label}", shape=shape, kind="Constant", inputs=())
    constant.details["real"] = numbers.reshape(shape)
    return Value(source=constant, index=storage_index(shape).reshape(numbers.shape))


def pad(node: OnnxNode, value: Value, numbers: list[NDArray[Any] | None]) -> Value:
    """Import a Pad of zeros around an image, which becomes padding of the next convolution."""
    pads, fill, axes = [*numbers, None, None, None][:3]
    given: list[int] = list(node.attributes["pads"]) if pads is None else pads.tolist()
    rank = len(value.shape)
    around = [0] * (2 * rank)
    chosen = range(rank) if axes is None else [int(a) % rank for a in axes]
    count = len(given) // 2
    for position, axis in enumerate(chosen):
        around[axis], around[rank + axis] = given[position], given[count + position]
    if not any(around):
        return value
    mode = node.attributes.get("mode", b"constant").decode()
    outer = [around[i] for i in (0, 1, rank, rank + 1)]
    if mode != "constant" or rank != 4 or any(outer) or min(around) < 0:
        raise NetworkError(
            f"{node.label} must put a constant around height and width of an image, not mode "
            f"{mode!r} with pads {given} on shape {list(value.shape)}"
        )
    if fill is not None and float(fill) != 0.0:
        raise NetworkError(f"value of {node.label} must be 0, not {float(fill)}")
    top, left = value.padding[0] + around[2], value.padding[1] + around[3]
    bottom, right = value.padding[2] + around[6], value.padding[3] + around[7]
    return replace(value, padding=(top, left, bottom, right))


def cast(node: OnnxNode, value: Value) -> Value:
    """Import a cast between float types, which is ignored if half precision holds the numbers."""
    target = node.attributes["to"]
    if target not in FLOAT_TYPES:
        name = onnx.TensorProto.DataType.Name(target)
        raise NetworkError(f"target of {node.label} must be a float type, not {name}")
    if target == onnx.TensorProto.FLOAT16 and isinstance(value.source, Codes):
        step = float(np.abs(value.a).max()) * value.source.scale
        if not _HALF_LEAST < step or step * 255 + float(np.abs(value.b).max()) > _HALF_MOST:
            raise NetworkError(
                f"numbers before {node.label} must be within half precision, not steps of {step:g}"
            )
    return value
