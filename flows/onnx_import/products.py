"""Convolutions, linear layers and the two matrix products of attention."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from flows.onnx_import.grids import Grids
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.reader import OnnxNode
from flows.onnx_import.row_formats import DEFAULT_FORMAT, format_indices, names_of
from flows.onnx_import.values import (
    Array,
    Const,
    Indices,
    Operation,
    Value,
    channel_last,
    storage_index,
)

__all__ = ["auto_padding", "convolution", "gemm", "matmul"]

_WEIGHT_MAX = 127
_CODES_MAX = 255
"""Largest difference of two 8-bit codes."""


def convolution(
    grids: Grids, node: OnnxNode, value: Value, weights: Const, bias: Const | None
) -> Value:
    """Import Conv on ``[1, channels, height, width]``, in groups of channels or not."""
    if len(value.shape) != 4 or weights.real.ndim != 4:
        raise NetworkError(
            f"input of {node.label} must be [1, channels, height, width], not {list(value.shape)}"
        )
    attributes = node.attributes
    out, depth, kernel_h, kernel_w = weights.shape
    groups = attributes.get("group", 1)
    if tuple(attributes.get("kernel_shape", (kernel_h, kernel_w))) != (kernel_h, kernel_w):
        raise NetworkError(
            f"kernel_shape of {node.label} must be that of its weights {[kernel_h, kernel_w]}, "
            f"not {list(attributes['kernel_shape'])}"
        )
    if groups < 1 or out % groups or depth * groups != value.shape[1]:
        raise NetworkError(
            f"weights of {node.label} must be for {value.shape[1]} channels in {groups} groups, "
            f"not of shape {list(weights.shape)}"
        )
    if bias is not None and bias.shape != (out,):
        raise NetworkError(f"bias of {node.label} must be of shape {[out]}, not {list(bias.shape)}")
    codes, scales = _integers(node, weights, axis=0)
    codes = codes.transpose(0, 2, 3, 1)
    stride = tuple(attributes.get("strides", (1, 1)))
    dilation = tuple(attributes.get("dilations", (1, 1)))
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, (kernel_h, kernel_w), strict=True)]
    pads = auto_padding(node, value.shape[2:], extent, stride)
    pads = tuple(p + q for p, q in zip(pads, value.padding, strict=True))
    plain = replace(value, padding=(0, 0, 0, 0))
    operand = grids.operand(plain, channel_last(value.index, node.label), node.label)
    height, width, _ = operand.shape
    tall = (height + pads[0] + pads[2] - extent[0]) // stride[0] + 1
    wide = (width + pads[1] + pads[3] - extent[1]) // stride[1] + 1
    if tall < 1 or wide < 1:
        raise NetworkError(
            f"kernel of {node.label} must fit its input, not {height} x {width} pixels"
        )
    result = Operation(
        label=node.label,
        shape=(tall, wide, out),
        kind="Convolution",
        inputs=(operand.codes,),
        details={
            "weights": codes,
            "starts": np.arange(out) // (out // groups) * depth,
            "channels": depth * groups,
            "products": math.prod(weights.shape),
            "weight_scales": scales,
            "formats": np.array(names_of(node.label, weights)),
            "bias": _bias(bias, out),
            "scale": operand.scale,
            "stride": stride,
            "dilation": dilation,
            "padding": pads,
        },
    )
    return Value(source=result, index=storage_index(result.shape).transpose(2, 0, 1)[None])


def gemm(grids: Grids, node: OnnxNode, value: Value, weights: Const, bias: Const | None) -> Value:
    """Import Gemm with constant weights; ``alpha`` and ``beta`` must be 1, as exporters write."""
    attributes = node.attributes
    if attributes.get("transA", 0):
        raise NetworkError(f"transA of {node.label} must be 0, not 1")
    for name in ("alpha", "beta"):
        if attributes.get(name, 1.0) != 1.0:
            raise NetworkError(f"{name} of {node.label} must be 1, not {attributes[name]}")
    if attributes.get("transB", 0):
        weights = weights.mapped(lambda x: x.T)
    if bias is not None:
        wide = np.broadcast_to(bias.real, (value.index.shape[0], weights.shape[1]))
        if np.any(wide != wide[:1]):
            raise NetworkError(
                f"C of {node.label} must be one number a column, not of shape {list(bias.shape)} "
                "with other numbers in other rows: use an Add"
            )
        bias = Const(real=wide[0])
    return _linear(grids, node, value, weights, bias)


def matmul(grids: Grids, node: OnnxNode, left: Value | Const, right: Value | Const) -> Value:
    """Import MatMul: a linear layer, attention scores or attention context."""
    if isinstance(left, Const):
        raise NetworkError(
            f"left operand of {node.label} must be computed from the image, not a constant"
        )
    if isinstance(right, Const):
        if right.real.ndim > max(len(left.shape), 2):
            raise NetworkError(
                f"weights of {node.label} must not have more axes than its input of shape "
                f"{list(left.shape)}, not the shape {list(right.shape)}"
            )
        if right.real.ndim > 2 and all(size == 1 for size in right.shape[:-2]):
            right = right.mapped(lambda x: x.reshape(x.shape[-2:]))
        if right.real.ndim != 2:
            raise NetworkError(
                f"weights of {node.label} must be [in, out], not of shape {list(right.shape)}"
            )
        return _linear(grids, node, left, right, None)
    if left.shape[:-2] != right.shape[:-2] or left.shape[-1] != right.shape[-2]:
        raise NetworkError(
            f"operands of {node.label} must be [heads, tokens, depth] and [heads, depth, columns], "
            f"not {list(left.shape)} and {list(right.shape)}"
        )
    return _attention(grids, node, left, right)


def _linear(
    grids: Grids, node: OnnxNode, value: Value, weights: Const, bias: Const | None
) -> Value:
    depth, out = weights.shape
    if value.shape[-1] != depth:
        raise NetworkError(
            f"input of {node.label} must have {depth} channels, not shape {list(value.shape)}"
        )
    weights = weights.mapped(lambda x: x.T)
    codes, scales = _integers(node, weights, axis=0)
    value = grids.coded(value, node.label)
    arrangement = value.index.reshape(-1, depth)
    flat = arrangement.reshape(-1)
    if len(arrangement) == 1 and len(flat) == value.source.size:
        # A flattened image: permute the weights' columns to its storage order.
        order = np.argsort(flat, kind="stable")
        if np.array_equal(flat[order], np.arange(depth)):
            codes, arrangement = codes[:, order], arrangement[:, order]
    operand = grids.operand(value, arrangement, node.label)
    result = Operation(
        label=node.label,
        shape=(len(arrangement), out),
        kind="Convolution",
        inputs=(operand.codes,),
        details={
            "weights": codes[:, None, None, :],
            "starts": np.zeros(out, dtype=np.int64),
            "channels": depth,
            "products": depth * out,
            "weight_scales": scales,
            "formats": np.array(names_of(node.label, weights)),
            "bias": _bias(bias, out),
            "scale": operand.scale,
            "stride": (1, 1),
            "dilation": (1, 1),
            "padding": (0, 0, 0, 0),
        },
    )
    index = storage_index(result.shape).reshape(*value.shape[:-1], out)
    return Value(source=result, index=index)


def _attention(grids: Grids, node: OnnxNode, left: Value, right: Value) -> Value:
    tokens, depth = left.shape[-2:]
    columns = right.shape[-1]
    a = left.index.reshape(-1, tokens, depth)
    b = right.index.reshape(-1, depth, columns)
    heads = len(a)
    details: dict[str, Any] = {"heads": heads}
    shape: tuple[int, ...]
    if left.source.scores:
        first = grids.operand(left, a, node.label)
        second = grids.operand(right, _merge(b), node.label)
        kind, shape = "AttentionContext", (tokens, heads * columns)
        index = storage_index(shape).reshape(tokens, heads, columns).transpose(1, 0, 2)
    else:
        first = grids.operand(left, _merge(a), node.label)
        second = grids.operand(right, _merge(b.transpose(0, 2, 1)), node.label)
        kind, shape = "AttentionScores", (heads, tokens, columns)
        index = storage_index(shape)
    details["scale"] = first.scale * second.scale
    result = Operation(
        label=node.label,
        shape=shape,
        scores=kind == "AttentionScores",
        kind=kind,
        inputs=(first.codes, second.codes),
        details=details,
    )
    return Value(source=result, index=index.reshape(*left.shape[:-1], columns))


def _merge(index: Indices) -> Indices:
    """Rearrange ``[heads, tokens, width]`` to ``[tokens, heads * width]``."""
    return index.transpose(1, 0, 2).reshape(index.shape[1], -1)


def _integers(node: OnnxNode, weights: Const, axis: int) -> tuple[Indices, Array]:
    """Return weights as int8 codes and one scale per row (axis 0).

    A row is requantised to 127 steps if its codes minus the zero point exceed -127 to 127
    (asymmetric uint8 weights), or if it has more than one scale.
    """
    if weights.codes is None or weights.scale is None:
        raise NetworkError(
            f"weights of {node.label} must be quantised (int8 or uint8 and a DequantizeLinear), "
            "not float"
        )
    codes = weights.codes.astype(np.int64)
    table = codes.reshape(len(codes), -1)
    scales = np.broadcast_to(weights.scale, codes.shape).reshape(len(codes), -1)
    row_scales = scales[:, 0].astype(np.float64).copy()
    default = format_indices([DEFAULT_FORMAT])[0]
    if np.abs(table).max(initial=0) > _CODES_MAX:
        raise NetworkError(
            f"weights of {node.label} must be codes of at most 8 bits (and their zero point), not "
            f"{int(np.abs(table).max())}: quantise weights to int8"
        )
    wide = (np.abs(table).max(axis=1) > _WEIGHT_MAX) | np.any(scales != scales[:, :1], axis=1)
    for row in np.flatnonzero(wide):
        if table[row].min() == -128 and table[row].max() <= 127 and np.ptp(scales[row]) == 0:
            continue
        if weights.formats is not None and np.any(weights.formats[row] != default):
            raise NetworkError(
                f"row {row} of the weights of {node.label} must have one scale and codes of -128 "
                "to 127: its row format is kept as it is"
            )
        real = table[row] * scales[row]
        row_scales[row] = float(np.abs(real).max()) / _WEIGHT_MAX
        table[row] = np.rint(real / row_scales[row]).astype(np.int64)
    return table.reshape(codes.shape), row_scales


def _bias(bias: Const | None, out: int) -> Array:
    if bias is None:
        return np.zeros(out)
    return np.broadcast_to(bias.real.astype(np.float64).reshape(-1), (out,)).copy()


def auto_padding(
    node: OnnxNode, size: tuple[int, ...], extent: list[int], stride: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the padding (top, left, bottom, right) of a window node; resolves ``auto_pad``."""
    mode = node.attributes.get("auto_pad", b"NOTSET").decode()
    if mode in ("NOTSET", "VALID"):
        return tuple(node.attributes.get("pads", (0, 0, 0, 0))) if mode == "NOTSET" else (0,) * 4
    total = [
        max((-(-n // s) - 1) * s + e - n, 0) for n, e, s in zip(size, extent, stride, strict=True)
    ]
    small = [t // 2 for t in total]
    large = [t - s for t, s in zip(total, small, strict=True)]
    first, second = (small, large) if mode == "SAME_UPPER" else (large, small)
    return (*first, *second)
