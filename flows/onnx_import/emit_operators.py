"""Makes the integer operator of codes from their imported meaning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flows.onnx_import.function_table import code_table
from flows.onnx_import.import_limits import CONSTANT_MAX, check_elements
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.ranges import exact_grid
from flows.onnx_import.rescaling import Rescaled, clamp_codes, rescaled_rows
from flows.onnx_import.values import Array, Codes, Indices, Operation, Value
from models.network.graph import ConcatTokens, Constant, Operator, Reshape, SelectTokens
from models.numerics.quantized import TensorType
from models.numerics.rescale import multiplier_for
from models.ops.add import add_spec
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution, linear_spec
from models.ops.layer_norm import layer_norm_spec
from models.ops.pool import MaxPool, Window, average_pool_spec
from models.ops.requantize import Lookup, Requantize
from models.ops.softmax import softmax_spec

__all__ = ["REQUANTISED", "addition_of", "clamped", "elementwise_operator", "operator_of"]

REQUANTISED = frozenset({"Convolution", "AttentionScores", "AttentionContext"})
"""Operators whose requantiser takes a function table."""
_DIAGONAL_WEIGHT = 64


def elementwise_operator(codes: Codes, value: Value, source: Codes) -> Operator:
    """Make an operator from codes to codes: rescaling, table, or gain and offset per channel."""
    if not value.uniform:
        gain = value.a * source.scale / _DIAGONAL_WEIGHT
        weights = np.eye(source.channels, dtype=np.int64) * _DIAGONAL_WEIGHT
        return _linear(codes, value, weights, gain, value.b, source, source.channels)
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
    return _table_only(code_table(value, source, codes.scale, codes.zero_point, codes.label))


def addition_of(
    codes: Codes, value: Value, source: Codes
) -> tuple[Constant, TensorType, Operator] | None:
    """Express an offset per channel after a quantiser as the addition of one row to every row.

    Return the constant, its type and the operator if the offsets lie on an 8-bit grid, as those
    that the file stores as codes do. None if they do not, or if ``value`` is more than offsets.
    """
    if len(value.a) > 1 or len(value.b) == 1 or value.function is not None or value.a[0] <= 0:
        return None
    grid = exact_grid(value.b, 0.0, 0)
    if grid is None:
        return None
    shape = (*[1] * (len(codes.shape) - 1), codes.shape[-1])
    kind = TensorType(shape=shape, scale=grid[0], zero_point=grid[1])
    low, high = clamp_codes(value, codes.scale, codes.zero_point)
    operator = add_spec(
        a_scale=float(value.a[0]) * source.scale,
        b_scale=grid[0],
        output_scale=codes.scale,
        a_zero=source.zero_point,
        b_zero=grid[1],
        output_zero=codes.zero_point,
        low=low,
        high=high,
    )
    return Constant(codes=kind.quantize(value.b.reshape(shape))), kind, operator


def operator_of(codes: Codes, source: Operation, value: Value, through: Codes | None) -> Operator:
    """Make the integer operator of ``source`` that yields ``codes``, including ``value``.

    ``through`` are intermediate codes; ``value`` is then the operator's table on these codes.
    """
    details = source.details
    scale, zero = codes.scale, codes.zero_point
    match source.kind:
        case "Reshape" | "Relabel":
            return Reshape(shape=codes.shape)
        case "Select":
            return SelectTokens(start=details["start"], stop=details["stop"])
        case "Columns":
            inner = source.inputs[0]
            rows = np.eye(inner.channels, dtype=np.int64)[list(details["columns"])]
            gain = np.full(len(rows), inner.scale * float(value.a[0]))
            return _linear(codes, value, rows, gain, np.zeros(1), inner, 0)
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
    if not _simple(value, source) and source.kind != "LayerNorm" or value.function is not None:
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
            made = second.value.source
            if isinstance(made, Operation) and "rounded" in made.details:
                if abs(scales[1]) > 2 * scale:
                    raise NetworkError(
                        f"{second.label} must be codes in the file (a DequantizeLinear), not "
                        "float: on 8 bits it would be off by more than a code"
                    )
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


def _simple(value: Value, source: Operation) -> bool:
    """Test that an operator without channel parameters can apply gain and clip of ``value``."""
    plain = value.uniform and value.a[0] > 0 and value.b[0] == 0 and value.function is None
    return plain and source.kind in ("Add", "AveragePool", "Softmax", *REQUANTISED)


def clamped(source: Operation) -> bool:
    """Test that an operator clips its result itself, on the grid of its result."""
    return source.kind in ("Add", "AveragePool", "LayerNorm", "Softmax", *REQUANTISED)


def _convolution(
    codes: Codes, source: Operation, value: Value, through: Codes | None
) -> Convolution:
    details = source.details
    inner = value if through is None else through.value
    gain = inner.a * details["scale"] * details["weight_scales"]
    offset = inner.a * details["bias"] + inner.b
    formats = tuple(str(name) for name in details["formats"])
    found = _requantised(
        codes, value, through, details["weights"], gain, offset, source.inputs[0], source.label,
        formats,
    )  # fmt: skip
    weights, groups = _grouped(found.weights, source)
    return Convolution(
        weights=weights,
        groups=groups,
        requantize=found.requantize,
        stride=details["stride"],
        dilation=details["dilation"],
        padding=details["padding"],
        input_zero=source.inputs[0].zero_point,
        formats=formats,
        products=details["products"],
    )


def _grouped(weights: Indices, source: Operation) -> tuple[Indices, int]:
    """Return the weights of an operation's rows, and the number of their groups.

    Rows that are no equal groups in order (some were left out) are filled up to all channels.
    """
    starts, channels = source.details["starts"], source.details["channels"]
    depth = weights.shape[-1]
    groups = channels // depth
    each = len(weights) // groups
    if len(weights) == each * groups and np.array_equal(
        starts, np.repeat(np.arange(groups) * depth, each)
    ):
        return weights, groups
    filled = (*weights.shape[:-1], channels)
    check_elements(f"weights of {source.label}, of which a part is read,", filled, CONSTANT_MAX)
    dense = np.zeros(filled, dtype=np.int64)
    for start in np.unique(starts):
        rows = starts == start
        dense[rows, ..., start : start + depth] = weights[rows]
    return dense, 1


def _attention(
    codes: Codes, source: Operation, value: Value, through: Codes | None
) -> AttentionScores | AttentionContext:
    inner = value if through is None else through.value
    if not inner.uniform or inner.a[0] <= 0:
        raise NetworkError(f"result of {source.label} must be scaled by one positive number")
    left, right = source.inputs
    heads = source.details["heads"]
    scores = source.kind == "AttentionScores"
    depth = left.channels // heads if scores else right.shape[0]
    largest = [max(c.high - c.zero_point, c.zero_point - c.low) for c in (left, right)]
    most = np.array([float(depth * largest[0] * largest[1])])
    outer, passed = (value, codes) if through is None else (through.value, through)
    found = rescaled_rows(
        np.zeros((1, 1), dtype=np.int64), inner.a * source.details["scale"], inner.b, outer, passed,
        reach=(-most, most), label=source.label, formats=None,
    )  # fmt: skip
    spec = _with_table(found.requantize, codes, value, through)
    zeros = [c.zero_point for c in source.inputs]
    if scores:
        return AttentionScores(heads=heads, requantize=spec, query_zero=zeros[0], key_zero=zeros[1])
    return AttentionContext(
        heads=heads, requantize=spec, probability_zero=zeros[0], value_zero=zeros[1]
    )


def _requantised(
    codes: Codes,
    value: Value,
    through: Codes | None,
    weights: Indices,
    gain: Array,
    offset: Array,
    read: Codes,
    label: str,
    formats: tuple[str, ...] = (),
) -> Rescaled:
    """Rescale products of weights and codes ``read`` to ``codes``, by a table after ``through``."""
    inner, passed = (value, codes) if through is None else (through.value, through)
    table = weights.reshape(len(weights), -1)
    positive, negative = np.maximum(table, 0).sum(axis=1), np.minimum(table, 0).sum(axis=1)
    # Padding needs no wider range: its code, the zero point, lies within that of the codes.
    low, high = read.low - read.zero_point, read.high - read.zero_point
    reach = (positive * low + negative * high, positive * high + negative * low)
    found = rescaled_rows(
        weights, np.broadcast_to(gain, len(weights)), np.broadcast_to(offset, len(weights)), inner,
        passed, reach=(reach[0].astype(np.float64), reach[1].astype(np.float64)), label=label,
        formats=formats,
    )  # fmt: skip
    return Rescaled(found.weights, _with_table(found.requantize, codes, value, through))


def _with_table(spec: Requantize, codes: Codes, value: Value, through: Codes | None) -> Requantize:
    if through is None:
        return spec
    table = code_table(value, through, codes.scale, codes.zero_point, codes.label)
    return replace(spec, table=table)


def _linear(
    codes: Codes,
    value: Value,
    weights: Indices,
    gain: Array,
    offset: Array,
    inner: Codes,
    products: int,
) -> Convolution:
    """Make a linear layer that scales or selects channels of ``inner``."""
    found = _requantised(codes, value, None, weights, gain, offset, inner, codes.label)
    return linear_spec(found.weights, found.requantize, inner.zero_point, products=products)


def _table_only(table: Lookup) -> Requantize:
    return Requantize(
        bias=np.array([0]), multiplier=np.array([1]), shift=np.array([0]), table=table
    )


def _window(source: Operation) -> Window:
    details = source.details
    return Window(kernel=details["kernel"], stride=details["stride"], padding=details["padding"])
