"""The walk over the nodes of a network file: every tensor gets its meaning, in order."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.onnx_import import elementwise, operators, products
from flows.onnx_import.constants import along, folded, formats_along, joined
from flows.onnx_import.errors import NetworkError
from flows.onnx_import.grids import Grids
from flows.onnx_import.layout import LAYOUT_KINDS, moves
from flows.onnx_import.ranges import close
from flows.onnx_import.reader import OnnxNetwork, OnnxNode
from flows.onnx_import.values import (
    Codes,
    Const,
    NetworkInput,
    Value,
    channel_last,
    storage_index,
)

__all__ = ["SUPPORTED", "walk"]

_OTHER_KINDS = {
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Concat",
    "Conv",
    "DequantizeLinear",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "LayerNormalization",
    "MatMul",
    "MaxPool",
    "Pad",
    "QuantizeLinear",
    "ReduceMean",
    "Shape",
    "Size",
    "Softmax",
}
SUPPORTED = frozenset(
    _OTHER_KINDS | LAYOUT_KINDS | elementwise.BINARY_KINDS | elementwise.UNARY_KINDS
)
"""Operators that may stand between the image and the result. Constants may use any."""

_TENSOR_CODES = {"int8": 0, "uint8": 128}
"""What is taken off codes of a type to make them signed."""


def walk(network: OnnxNetwork) -> Codes:
    """The meaning of the network's output tensor: codes in the output's order."""
    return _Walk(network).run()


class _Walk:
    def __init__(self, network: OnnxNetwork) -> None:
        self._network = network
        self._grids = Grids()
        self._known: dict[str, Value | Const] = {
            name: Const(real=array) for name, array in network.constants.items()
        }
        self._known[network.input] = _input_value(network)
        self._written: dict[str, tuple[float, int, int]] = {}
        self._formats = dict(network.row_formats)
        if network.input_offset is not None:
            self._written[network.input] = math.nan, 0, network.input_offset

    def run(self) -> Codes:
        for node in self._network.nodes:
            missing = [name for name in node.inputs if name and name not in self._known]
            if missing:
                raise NetworkError(f"input {missing[0]!r} of {node.label} must be made before it")
            arguments = [self._known[name] if name else None for name in node.inputs]
            try:
                results = self._node(node, arguments)
            except NetworkError:
                raise
            except Exception as error:
                raise NetworkError(
                    f"{node.label} must be well formed and fit its inputs: {_line(error)}"
                ) from error
            self._known.update(zip(node.outputs, results, strict=False))
        for name in self._formats.keys() - {i for n in self._network.nodes for i in n.inputs}:
            raise NetworkError(f"row formats must be of a weight of the network, not of {name!r}")
        output = self._known.get(self._network.output)
        if output is None:
            raise NetworkError(f"output {self._network.output!r} must be made by a node")
        if isinstance(output, Const):
            raise NetworkError(
                f"output {self._network.output!r} must depend on the input, not be a constant"
            )
        label = f"output {self._network.output!r}"
        value = self._grids.coded(output, label)
        index = value.index[0] if value.index.ndim > 2 else value.index
        if value.index.ndim == 4 and not value.source.scores:
            index = channel_last(value.index)
        operand = self._grids.operand(value, index, label)
        return _rescaled(operand.codes, operand.scale / operand.codes.scale)

    def _node(
        self, node: OnnxNode, arguments: list[Value | Const | None]
    ) -> list[Value] | list[Const] | list[Value | Const]:
        present = [a for a in arguments if a is not None]
        constant = all(isinstance(a, Const) for a in present)
        if node.kind == "QuantizeLinear":
            return [self._quantise(node, arguments)]
        if node.kind == "DequantizeLinear":
            return [self._dequantise(node, arguments)]
        if node.kind in LAYOUT_KINDS:
            return self._layout(node, arguments)
        if node.kind == "Concat" and constant:
            return [joined(node, [a for a in present if isinstance(a, Const)])]
        if constant:
            return self._folded(node, arguments)
        if node.kind == "Shape":
            start, end = node.attributes.get("start", 0), node.attributes.get("end")
            return [Const(real=np.array(present[0].shape[start:end], dtype=np.int64))]
        if node.kind == "Size":
            return [Const(real=np.array(np.prod(present[0].shape), dtype=np.int64))]
        if node.kind not in SUPPORTED:
            raise NetworkError(
                f"operator of node {node.name!r} must be a supported one, not {node.kind}; "
                f"supported: {', '.join(sorted(SUPPORTED))}"
            )
        return [self._computed(node, arguments)]

    def _computed(self, node: OnnxNode, arguments: list[Value | Const | None]) -> Value:
        grids = self._grids
        if node.kind in elementwise.BINARY_KINDS:
            left, right = arguments
            assert left is not None
            assert right is not None
            return elementwise.binary(grids, node, left, right)
        if node.kind in ("MatMul", "Gemm") and isinstance(arguments[0], Const):
            raise NetworkError(
                f"left operand of {node.label} must be computed from the image, not a constant"
            )
        if node.kind == "Concat":
            return operators.concat(grids, node, [a for a in arguments if a is not None])
        value = arguments[0]
        assert isinstance(value, Value)
        if node.kind in elementwise.UNARY_KINDS:
            return elementwise.unary(node, value, self._numbers(node, arguments[1:]))
        match node.kind:
            case "Conv" | "Gemm":
                weights, bias = _constants(node, arguments, 2)
                make = products.convolution if node.kind == "Conv" else products.gemm
                if weights is None:
                    raise NetworkError(f"weights of {node.label} must be a constant")
                return make(grids, node, value, weights, bias)
            case "MatMul":
                assert arguments[1] is not None
                return products.matmul(grids, node, value, arguments[1])
            case "LayerNormalization":
                gain, offset = _constants(node, arguments, 2)
                return operators.layer_norm(grids, node, value, gain, offset)
            case "BatchNormalization":
                given = [c for c in _constants(node, arguments, 4) if c is not None]
                return operators.batch_norm(grids, node, value, given)
            case "Softmax":
                return operators.softmax(grids, node, value)
            case "AveragePool" | "MaxPool":
                return operators.pool(grids, node, value)
            case "GlobalAveragePool" | "GlobalMaxPool":
                return operators.global_pool(grids, node, value)
            case "ReduceMean":
                (axes,) = (*self._numbers(node, arguments[1:]), None)[:1]
                return operators.reduce_mean(grids, node, value, axes)
            case "Pad":
                return operators.pad(node, value, self._numbers(node, arguments[1:]))
            case "Cast":
                return operators.cast(node, value)
        raise AssertionError(node.kind)

    def _numbers(
        self, node: OnnxNode, arguments: list[Value | Const | None]
    ) -> list[NDArray[Any] | None]:
        for name, argument in zip(node.inputs[-len(arguments) :], arguments, strict=False):
            if isinstance(argument, Value):
                raise NetworkError(
                    f"input {name!r} of {node.label} must be a constant, not computed from the "
                    "image"
                )
        return [a.real if isinstance(a, Const) else None for a in arguments]

    def _layout(
        self, node: OnnxNode, arguments: list[Value | Const | None]
    ) -> list[Value] | list[Const]:
        first = arguments[0]
        if node.kind == "Gather" and isinstance(first, Const):
            return self._folded(node, arguments)
        assert first is not None
        rest = [] if node.kind == "Dropout" else self._numbers(node, arguments[1:])
        if node.kind == "Dropout":
            return [first] if isinstance(first, Value) else [first]
        found = moves(node, first.shape, rest)
        if isinstance(first, Const):
            return [first.mapped(move) for move in found]
        if first.padding != (0, 0, 0, 0):
            raise NetworkError(f"a Pad must be followed by a Conv, not by {node.label}")
        if node.inputs[0] in self._written:
            self._written |= dict.fromkeys(node.outputs, self._written[node.inputs[0]])
        try:
            return [first.moved(move(first.index)) for move in found]
        except (ValueError, IndexError):
            shown = [None if n is None else n.tolist() for n in rest]
            raise NetworkError(
                f"parameters of {node.label} must fit its input of shape {list(first.shape)}, "
                f"not {shown}"
            ) from None

    def _folded(self, node: OnnxNode, arguments: list[Value | Const | None]) -> list[Const]:
        given = [a for a in arguments if not isinstance(a, Value)]
        return folded(node, given, self._network.opset)

    def _quantise(self, node: OnnxNode, arguments: list[Value | Const | None]) -> Value | Const:
        scale, zero, offset = self._grid(node, arguments)
        value = arguments[0]
        if isinstance(value, Const):
            axis = node.attributes.get("axis", 1)
            wide_scale = along(scale, axis, value.shape)
            wide_zero = along(zero, axis, value.shape)
            codes = np.rint(value.real / wide_scale) + wide_zero
            codes = np.clip(codes, -128 + offset, 127 + offset) - wide_zero
            return Const(real=codes * wide_scale, codes=codes.astype(np.int64), scale=wide_scale)
        assert value is not None
        if scale.size != 1:
            raise NetworkError(
                f"scale of {node.label} must be one number for a tensor computed from the image, "
                f"not {scale.size} of them"
            )
        grid = float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0]) - offset
        self._written[node.outputs[0]] = *grid, offset
        return self._grids.quantise(value, *grid, node.label)

    def _dequantise(self, node: OnnxNode, arguments: list[Value | Const | None]) -> Value | Const:
        value = arguments[0]
        assert value is not None
        scale, zero, offset = self._grid(node, arguments)
        if isinstance(value, Value):
            grid = float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0]) - offset
            if isinstance(value.source, NetworkInput):
                return self._grids.quantise(value, *grid, node.label)
            written = self._written.get(node.inputs[0], (*grid, offset))
            if scale.size != 1 or not close(grid[0], written[0]) or grid[1] != written[1]:
                raise NetworkError(
                    f"scale and zero point of {node.label} must be those of its QuantizeLinear "
                    f"({written[0]:g}, {written[1] + offset}), not {grid[0]:g}, {grid[1] + offset}"
                )
            return value
        if value.codes is not None:
            return value
        axis = node.attributes.get("axis", 1)
        wide = along(scale, axis, value.shape)
        codes = value.real.astype(np.int64) - along(zero, axis, value.shape).astype(np.int64)
        kinds = self._formats.get(node.inputs[0])
        formats = None
        if kinds is not None:
            formats = formats_along(kinds, node.inputs[0], codes.shape, axis)
        return Const(real=codes * wide, codes=codes, scale=wide, formats=formats)

    def _grid(
        self, node: OnnxNode, arguments: list[Value | Const | None]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Scale, zero point and the shift to signed codes of a quantiser."""
        numbers = self._numbers(node, arguments[1:])
        if node.attributes.get("block_size", 0):
            raise NetworkError(f"block_size of {node.label} must be 0, not a block quantiser's")
        scale = np.asarray(numbers[0], dtype=np.float64)
        if not np.all(np.isfinite(scale)) or not np.all(scale > 0):
            raise NetworkError(f"scale of {node.label} must be positive and finite")
        zero = numbers[1] if len(numbers) > 1 else None
        value = arguments[0]
        if zero is not None:
            kind = zero.dtype.name
        elif isinstance(value, Const) and value.codes is None and value.real.dtype.kind in "iu":
            kind = value.real.dtype.name
        else:
            # Without a zero point the type is the one that was written, uint8 by default.
            written = self._written.get(node.inputs[0])
            kind = "uint8" if written is None or written[2] else "int8"
        weights = isinstance(value, Const) and kind in ("int32", "int16")
        if kind not in _TENSOR_CODES and not weights:
            raise NetworkError(
                f"type of {node.label} must be int8 or uint8 (int32 for a bias), not {kind}"
            )
        point = np.zeros(1) if zero is None else zero.astype(np.float64)
        return scale, point, _TENSOR_CODES.get(kind, 0)


def _rescaled(codes: Codes, gain: float) -> Codes:
    """The same codes, each worth ``gain`` times as much."""
    if math.isclose(gain, 1.0):
        return codes
    value, function = codes.value, codes.value.function
    scaled = replace(
        value,
        a=value.a * gain,
        b=value.b * gain,
        low=value.low * gain,
        high=value.high * gain,
        function=None if function is None else lambda real: gain * function(real / gain),
    )
    return replace(codes, value=scaled, scale=codes.scale * gain)


def _line(error: Exception) -> str:
    """An exception as part of one line."""
    return " ".join(f"{type(error).__name__} {error}".split())


def _input_value(network: OnnxNetwork) -> Value:
    """The image: ``[1, channels, height, width]`` is stored channels last."""
    shape = network.input_shape
    if len(shape) == 4:
        stored: tuple[int, ...] = (shape[2], shape[3], shape[1])
        index = storage_index(stored).transpose(2, 0, 1)[None]
    else:
        stored = shape[1:] if len(shape) == 3 else shape
        index = storage_index(stored).reshape(shape)
    return Value(source=NetworkInput(label=f"input {network.input!r}", shape=stored), index=index)


def _constants(
    node: OnnxNode, arguments: list[Value | Const | None], count: int
) -> list[Const | None]:
    """The inputs after the first, which must be known numbers."""
    found: list[Const | None] = []
    for position in range(1, count + 1):
        argument = arguments[position] if position < len(arguments) else None
        if isinstance(argument, Value):
            raise NetworkError(
                f"input {node.inputs[position]!r} of {node.label} must be a constant, not computed "
                "from the image"
            )
        found.append(argument)
    return found
