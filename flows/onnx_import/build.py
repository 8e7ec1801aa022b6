"""From the meaning of the output tensor back to an integer graph: fuse, emit, name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from flows.onnx_import.errors import NetworkError
from flows.onnx_import.rescaling import (
    clamp_codes,
    code_table,
    requantiser,
    signed_rows,
)
from flows.onnx_import.values import (
    Array,
    Codes,
    Indices,
    NetworkInput,
    Operation,
    Source,
    Value,
)
from models.graph import (
    ConcatTokens,
    Constant,
    IntegerGraph,
    Node,
    Operator,
    Reshape,
    SelectTokens,
)
from models.ops.add import add_spec
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution, linear_spec
from models.ops.layer_norm import layer_norm_spec
from models.ops.pool import MaxPool, Window, average_pool_spec
from models.ops.requantize import Lookup, Requantize
from models.ops.softmax import softmax_spec
from models.quantized import TensorType
from models.rescale import multiplier_for

__all__ = ["build_graph"]

_REQUANTISED = {"Convolution", "AttentionScores", "AttentionContext"}
"""Operators whose requantiser takes a function table."""
_DIAGONAL_WEIGHT = 64


_Fused: TypeAlias = tuple[Operation | Codes | NetworkInput, Value, Codes | None]


def build_graph(output: Codes, name: str) -> IntegerGraph:
    """The integer graph that computes ``output``."""
    return _Builder(output).graph(name)


class _Builder:
    def __init__(self, output: Codes) -> None:
        self._output = output
        self._uses = _count_uses(output)
        self._names: dict[int, str] = {}
        self._taken: Counter[str] = Counter()
        self._tensors: dict[str, TensorType] = {}
        self._nodes: list[Node] = []
        self._input = ""

    def graph(self, name: str) -> IntegerGraph:
        order: list[Codes] = []
        _in_order(self._output, self._fused, order)
        for codes in order:
            try:
                self._emit(codes)
            except NetworkError:
                raise
            except (ValueError, OverflowError) as error:
                raise NetworkError(
                    f"{codes.label} must fit the integer operators: {error}"
                ) from error
        if not self._input:
            raise NetworkError(f"output of network {name} must depend on its input")
        return IntegerGraph(
            name=name,
            input=self._input,
            output=self._names[id(self._output)],
            tensors=self._tensors,
            nodes=tuple(self._nodes),
        )

    def _fused(self, codes: Codes) -> _Fused:
        """What computes ``codes``: its source, the value on it, and codes it passes through.

        Codes that only this function reads disappear into the operator before them: gain, offset
        and clip as other parameters, a function as the operator's table (then they are the
        third).
        """
        value = codes.value
        source = value.source
        if isinstance(source, Codes) and self._uses[id(source)] == 1:
            before, inner, through = self._fused(source)
            if isinstance(before, Operation) and through is None and inner.function is None:
                changed = not value.scaled or value.a[0] != 1
                if value.function is None and inner.linear and changed:
                    merged = replace(
                        value, source=before, a=value.a * inner.a, b=value.a * inner.b + value.b
                    )
                    if before.kind in ("Convolution", "LayerNorm") or _simple(merged, before):
                        return before, merged, None
                if before.kind in _REQUANTISED and value.uniform:
                    return before, value, replace(source, value=inner)
        assert isinstance(source, Operation | Codes | NetworkInput)
        return source, value, None

    def _emit(self, codes: Codes) -> None:
        source, value, through = self._fused(codes)
        kind = TensorType(
            shape=codes.shape, bits=codes.bits, scale=codes.scale, zero_point=codes.zero_point
        )
        if isinstance(source, NetworkInput):
            if self._input:
                raise NetworkError(f"{source.label} must be quantised once, not on two grids")
            self._input = self._name(codes, _plain_name(source))
            self._tensors[self._input] = kind
            return
        if isinstance(source, Codes):
            operator, inputs = self._elementwise(codes, value, source)
        else:
            operator, inputs = self._operator(codes, source, value, through), source.inputs
        title = self._name(codes, _plain_name(source if isinstance(source, Operation) else codes))
        self._tensors[title] = kind
        names = tuple(self._names[id(c)] for c in inputs)
        self._nodes.append(Node(name=title, operator=operator, inputs=names, output=title))

    def _name(self, codes: Codes, wanted: str) -> str:
        self._taken[wanted] += 1
        count = self._taken[wanted]
        name = wanted if count == 1 else f"{wanted}#{count}"
        self._names[id(codes)] = name
        return name

    def _elementwise(
        self, codes: Codes, value: Value, source: Codes
    ) -> tuple[Operator, tuple[Codes, ...]]:
        """Codes to codes: another grid, a function table, or a gain and offset a channel."""
        if not value.uniform:
            gain = value.a * source.scale / _DIAGONAL_WEIGHT
            weights = np.eye(source.channels, dtype=np.int64) * _DIAGONAL_WEIGHT
            return _linear(codes, value, weights, gain, value.b, source), (source,)
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
            ), (source,)
        return _table_only(code_table(value, source, codes.scale, codes.zero_point)), (source,)

    def _operator(
        self, codes: Codes, source: Operation, value: Value, through: Codes | None
    ) -> Operator:
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
                gain = np.full(len(rows), inner.scale)
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


def _convolution(
    codes: Codes, source: Operation, value: Value, through: Codes | None
) -> Convolution:
    details = source.details
    inner = value if through is None else through.value
    gain = inner.a * details["scale"] * details["weight_scales"]
    offset = inner.a * details["bias"] + inner.b
    weights, gain = signed_rows(details["weights"], gain, offset)
    return Convolution(
        weights=weights,
        requantize=_requantise(codes, value, through, gain, offset),
        stride=details["stride"],
        dilation=details["dilation"],
        padding=details["padding"],
        input_zero=source.inputs[0].zero_point,
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


def _simple(value: Value, source: Operation) -> bool:
    """Whether an operator without channel parameters can apply gain and clip of ``value``."""
    plain = value.uniform and value.a[0] > 0 and value.b[0] == 0 and value.function is None
    return plain and source.kind in ("Add", "AveragePool", "Softmax", *_REQUANTISED)


def _plain_name(source: Source) -> str:
    """The node's name out of a label such as ``Conv 'stem'``."""
    found = re.search(r"'(.*)'", source.label)
    return found.group(1) if found else source.label


def _count_uses(output: Codes) -> Counter[int]:
    uses: Counter[int] = Counter({id(output): 1})
    seen: set[int] = set()
    stack = [output]
    while stack:
        codes = stack.pop()
        if id(codes) in seen:
            continue
        seen.add(id(codes))
        for dependency in _inputs(codes.value.source):
            uses[id(dependency)] += 1
            stack.append(dependency)
    return uses


def _inputs(source: Source) -> tuple[Codes, ...]:
    if isinstance(source, Codes):
        return (source,)
    return source.inputs if isinstance(source, Operation) else ()


def _in_order(output: Codes, fused: Callable[[Codes], _Fused], order: list[Codes]) -> None:
    """Append every codes that ``output`` depends on, inputs first."""
    done: set[int] = set()
    stack: list[tuple[Codes, bool]] = [(output, False)]
    while stack:
        codes, ready = stack.pop()
        if id(codes) in done:
            continue
        if ready:
            done.add(id(codes))
            order.append(codes)
            continue
        stack.append((codes, True))
        source, _, _ = fused(codes)
        stack.extend((c, False) for c in reversed(_inputs(source)))
