"""One integer operator from what the importer knows about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flows.onnx_import.errors import NetworkError
from flows.onnx_import.rescaling import clamp_codes, code_table, requantiser, signed_rows
from flows.onnx_import.values import Array, Codes, Indices, Operation, Value
from models.graph import ConcatTokens, Constant, Operator, Reshape, SelectTokens
from models.ops.add import add_spec
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution, linear_spec
from models.ops.layer_norm import layer_norm_spec
from models.ops.pool import MaxPool, Window, average_pool_spec
from models.ops.requantize import Lookup, Requantize
from models.ops.softmax import softmax_spec
from models.quantized import TensorType
from models.rescale import multiplier_for

__all__ = ["REQUANTISED", "elementwise_operator", "operator_of", "simple"]

REQUANTISED = frozenset({"Convolution", "AttentionScores", "AttentionContext"})
"""Operators whose requantiser takes a function table."""
_DIAGONAL_WEIGHT = 64


def elementwise_operator(codes: Codes, value: Value, source: Codes) -> Operator:
    """Codes to codes: another grid, a function table, or a gain and offset a channel."""
    if not value.uniform:
        gain = value.a * source.scale / _DIAGONAL_WEIGHT
        weights = np.eye(source.channels, dtype=np.int64) * _DIAGONAL_WEIGHT
        return _linear(codes, value, weights, gain, value.b, source)
    if value.function is None and value.a[0] > 0 and value.b[0] == 0:
        ratio = float(value.a[0]) * source.scale / codes.scale
        multiplier, shift = multiplier_for(ratio)
        low, high = clamp_codes(value, codes.scale, codes.zero_point)
        return Requantize(
            bias=np.array([-source.zero_point]),
            multiplier=np.array([multiplier]),
            shift=np.array([shift]),
            zero_point=codes.zero_point,
            low=low,
            high=high,
        )
    return _table_only(code_table(value, source, codes.scale, codes.zero_point))


def operator_of(codes: Codes, source: Operation, value: Value, through: Codes | None) -> Operator:
    """The integer operator of ``source`` whose result, seen through ``value``, is ``codes``.

    ``through`` are codes between them that became the operator's table.
    """
    details = source.details
    scale, zero = codes.scale, codes.zero_point
    match source.kind:
        case "Reshape":
            return Reshape(shape=codes.shape)
        case "Select":
            return SelectTokens(start=details["start"], stop=details["stop"])
        case "Columns":
            inner = source.inputs[0]
            rows = np.eye(inner.channels, dtype=np.int64)[list(details["columns"])]
            gain = np.full(len(rows), inner.scale * float(value.a[0]))
            return _linear(codes, value, rows, gain, np.zeros(1), inner)
        case "Concat":
            return ConcatTokens()
        case "Constant":
            real = value.after(value.a * details["real"] + value.b)
            return Constant(
                codes=np.asarray(
                    TensorType(shape=codes.shape, scale=scale, zero_point=zero).quantize(real)
                )
            )
        case "MaxPool":
            return MaxPool(window=_window(source))
        case "Convolution":
            return _convolution(codes, source, value, through)
        case "AttentionScores" | "AttentionContext":
            return _attention(codes, source, value, through)
    if not simple(value, source) and source.kind != "LayerNorm" or value.function is not None:
        raise NetworkError(
            f"output of {source.label} must be quantised (a QuantizeLinear after it) before a "
            "function is applied, not float"
        )
    low, high = clamp_codes(value, scale, zero)
    factor = float(value.a[0])
    match source.kind:
        case "LayerNorm":
            return layer_norm_spec(
                np.broadcast_to(value.a, source.channels),
                np.broadcast_to(value.b, source.channels),
                epsilon=details["epsilon"],
                input_scale=details["scale"],
                output_scale=scale,
                output_zero=zero,
                low=low,
                high=high,
            )
        case "Softmax":
            return softmax_spec(
                input_scale=details["scale"],
                output_scale=scale / factor,
                output_zero=zero,
                low=low,
                high=high,
            )
        case "Add":
            first, second = source.inputs
            scales = [s * factor for s in details["scales"]]
            return add_spec(
                a_scale=scales[0],
                b_scale=scales[1],
                output_scale=scale,
                a_zero=first.zero_point,
                b_zero=second.zero_point,
                output_zero=zero,
                low=low,
                high=high,
            )
        case "AveragePool":
            inner = source.inputs[0]
            return average_pool_spec(
                _window(source),
                *inner.shape[:2],
                ratio=details["scale"] * factor / scale,
                count_padding=details["count_padding"],
                input_zero=inner.zero_point,
                output_zero=zero,
                low=low,
                high=high,
            )
    raise AssertionError(source.kind)


def simple(value: Value, source: Operation) -> bool:
    """Whether an operator without channel parameters can apply gain and clip of ``value``."""
    plain = value.uniform and value.a[0] > 0 and value.b[0] == 0 and value.function is None
    return plain and source.kind in ("Add", "AveragePool", "Softmax", *REQUANTISED)


def _convolution(
    codes: Codes, source: Operation, value: Value, through: Codes | None
) -> Convolution:
    details = source.details
    inner = value if through is None else through.value
    gain = inner.a * details["scale"] * details["weight_scales"]
    offset = inner.a * details["bias"] + inner.b
    formats = tuple(str(name) for name in details["formats"])
    weights, gain = signed_rows(details["weights"], gain, offset, formats)
    return Convolution(
        weights=weights,
        requantize=_requantise(codes, value, through, gain, offset),
        stride=details["stride"],
        dilation=details["dilation"],
        padding=details["padding"],
        input_zero=source.inputs[0].zero_point,
        formats=formats,
    )


def _attention(
    codes: Codes, source: Operation, value: Value, through: Codes | None
) -> AttentionScores | AttentionContext:
    inner = value if through is None else through.value
    if not inner.uniform or inner.a[0] <= 0:
        raise NetworkError(f"result of {source.label} must be scaled by one positive number")
    gain = inner.a * source.details["scale"]
    spec = _requantise(codes, value, through, gain, inner.b)
    heads = source.details["heads"]
    zeros = [c.zero_point for c in source.inputs]
    if source.kind == "AttentionScores":
        return AttentionScores(heads=heads, requantize=spec, query_zero=zeros[0], key_zero=zeros[1])
    return AttentionContext(
        heads=heads, requantize=spec, probability_zero=zeros[0], value_zero=zeros[1]
    )


def _requantise(
    codes: Codes, value: Value, through: Codes | None, gain: Array, offset: Array
) -> Requantize:
    if through is None:
        return requantiser(gain, offset, value, codes.scale, codes.zero_point)
    spec = requantiser(gain, offset, through.value, through.scale, through.zero_point)
    return replace(spec, table=code_table(value, through, codes.scale, codes.zero_point))


def _linear(
    codes: Codes, value: Value, weights: Indices, gain: Array, offset: Array, inner: Codes
) -> Convolution:
    """A linear layer that scales or picks channels, on the codes of ``inner``."""
    gain = np.broadcast_to(gain, len(weights))
    offset = np.broadcast_to(offset, len(weights))
    weights, gain = signed_rows(weights, gain, offset)
    spec = requantiser(gain, offset, value, codes.scale, codes.zero_point)
    return linear_spec(weights, spec, inner.zero_point)


def _table_only(table: Lookup) -> Requantize:
    return Requantize(
        bias=np.array([0]), multiplier=np.array([1]), shift=np.array([0]), table=table
    )


def _window(source: Operation) -> Window:
    details = source.details
    return Window(kernel=details["kernel"], stride=details["stride"], padding=details["padding"])
