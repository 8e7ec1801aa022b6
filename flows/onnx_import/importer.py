"""Walks the nodes of a network file in order, and gives every tensor its meaning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from flows.onnx_import import elementwise, float_operators, quantisers
from flows.onnx_import.code_operators import on_codes
from flows.onnx_import.compute import compute, numbers_of
from flows.onnx_import.constants import folded, joined
from flows.onnx_import.grids import Grids
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.reader import OnnxNetwork, OnnxNode
from flows.onnx_import.tensor_layout import LAYOUT_KINDS, moves, shown
from flows.onnx_import.values import (
    Codes,
    CodeTensor,
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
"""Operators supported between the image and the result; constants may use any operator."""

_KEEP_PADDING = {
    "AveragePool", "Cast", "Conv", "DequantizeLinear", "Identity", "MaxPool", "Pad",
    "QuantizeLinear", "Shape", "Size",
}  # fmt: skip
"""Operators supported after a Pad, besides functions that map 0 to 0."""

Argument: TypeAlias = Value | CodeTensor | Const


def walk(network: OnnxNetwork) -> tuple[Codes, str]:
    """Return the meaning of the network's output: codes in the output's order, and a type.

    The type is that of the file's own output: ``float32``, or that of its codes.
    """
    return _Walk(network).run()


class _Walk:
    def __init__(self, network: OnnxNetwork) -> None:
        self._network = network
        self._grids = Grids()
        self._known: dict[str, Argument] = {
            name: Const(real=array) for name, array in network.constants.items()
        }
        self._known[network.input] = _input(network)
        self._formats = dict(network.row_formats)

    def run(self) -> tuple[Codes, str]:
        last = {name: i for i, node in enumerate(self._network.nodes) for name in node.inputs}
        last[self._network.output] = len(self._network.nodes)
        for position, node in enumerate(self._network.nodes):
            missing = [name for name in node.inputs if name and name not in self._known]
            if missing:
                for maker in self._network.nodes[:position]:
                    if missing[0] in maker.outputs:
                        raise NetworkError(
                            f"output {missing[0]!r} of {maker.label} must not be used by "
                            f"{node.label}: only the first one is supported"
                        )
                raise NetworkError(
                    f"input {missing[0]!r} of {node.label} must be the output of an earlier node"
                )
            self._known.update(zip(node.outputs, self._results(node), strict=False))
            for name in node.inputs:
                # An index is as large as its tensor: drop it after its last use.
                if last[name] == position:
                    self._known.pop(name, None)
        for name in self._formats.keys() - {i for n in self._network.nodes for i in n.inputs}:
            raise NetworkError(f"row formats must name a weight of the network, not {name!r}")
        return self._output()

    def _results(self, node: OnnxNode) -> Sequence[Argument]:
        arguments = [self._known[name] if name else None for name in node.inputs]
        try:
            return self._node(node, arguments)
        except NetworkError:
            raise
        except MemoryError:
            raise NetworkError(f"tensors of {node.label} must fit into memory") from None
        except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
            # The ONNX checker accepts some attributes and shapes that do not fit the operator.
            raise NetworkError(
                f"{node.label} must be well formed and fit its inputs: {_line(error)}"
            ) from error

    def _output(self) -> tuple[Codes, str]:
        output = self._known.get(self._network.output)
        if output is None:
            raise NetworkError(f"output {self._network.output!r} must be made by a node")
        if isinstance(output, Const):
            raise NetworkError(
                f"output {self._network.output!r} must depend on the input, not be a constant"
            )
        label = f"output {self._network.output!r}"
        holds = "float32"
        if isinstance(output, CodeTensor):
            holds = output.kind
            output = self._grids.with_grid(output, label).value
        if holds not in ("float32", "int8", "uint8"):
            raise NetworkError(
                f"type of {label} must be FLOAT, INT8 or UINT8, not {holds.upper()}: put a "
                "DequantizeLinear before it"
            )
        value = self._grids.coded(output, label)
        if not value.index.size:
            raise NetworkError(f"{label} must have elements, not the shape {list(value.shape)}")
        index = value.index
        if index.ndim == 4 and not value.source.scores:
            index = channel_last(index, label)
        elif index.ndim > 2 and index.shape[0] == 1:
            index = index[0]
        operand = self._grids.operand(value, index, label)
        return rescaled(operand.codes, operand.scale / operand.codes.scale), holds

    def _node(self, node: OnnxNode, arguments: list[Argument | None]) -> Sequence[Argument]:
        present = [a for a in arguments if a is not None]
        if not all(isinstance(a, Const) for a in present):
            self._check_padding(node, present)
        if node.kind in ("QuantizeLinear", "DequantizeLinear"):
            return [self._quantiser(node, arguments)]
        if node.kind in LAYOUT_KINDS:
            return self._layout(node, arguments)
        constants = [a for a in arguments if a is None or isinstance(a, Const)]
        if len(constants) == len(arguments):
            if node.kind == "Concat":
                return [joined(node, [c for c in constants if c is not None])]
            if node.kind == "Cast" and constants[0] is not None and constants[0].codes is not None:
                if node.attributes["to"] in float_operators.FLOAT_TYPES:
                    return [constants[0]]
            return folded(node, constants, self._network.opset)
        if node.kind == "Shape":
            start, end = node.attributes.get("start", 0), node.attributes.get("end")
            return [Const(real=np.array(present[0].shape[start:end], dtype=np.int64))]
        if node.kind == "Size":
            return [Const(real=np.array(math.prod(present[0].shape), dtype=np.int64))]
        if node.kind not in SUPPORTED:
            raise NetworkError(
                f"operator of node {node.name!r} must be a supported one, not {node.kind} "
                "(rowmac operators lists them)"
            )
        codes = [a for a in arguments if not isinstance(a, Value)]
        if any(isinstance(a, CodeTensor) for a in codes):
            if len(codes) < len(arguments):
                raise NetworkError(
                    f"inputs of {node.label} must be all codes or all real numbers, not both"
                )
            return [on_codes(self._grids, node, codes)]
        plain = [a for a in arguments if not isinstance(a, CodeTensor)]
        return [compute(self._grids, node, plain)]

    def _check_padding(self, node: OnnxNode, present: Sequence[Argument]) -> None:
        """Check that an operator after a Pad keeps the image's border at 0."""
        padded = [a for a in present if not isinstance(a, Const) and _value(a).padded]
        if not padded or node.kind in _KEEP_PADDING:
            return
        if node.kind not in elementwise.BINARY_KINDS | elementwise.UNARY_KINDS | {
            "BatchNormalization"
        }:
            raise NetworkError(f"a Pad must be followed by a Conv, not by {node.label}")
        probes = [_probe(a) if isinstance(a, Value) else a for a in present]
        plain = [a for a in probes if not isinstance(a, CodeTensor)]
        if len(plain) < len(probes):
            return  # clips of codes have their own check
        result = compute(Grids(), node, plain)
        border = result.after(result.a * 0.0 + result.b)
        if np.any(border != 0):
            raise NetworkError(
                f"a Pad must be followed by a Conv or by functions that keep 0, not by "
                f"{node.label}, which makes the border {float(border.flat[0]):g}"
            )

    def _layout(self, node: OnnxNode, arguments: list[Argument | None]) -> Sequence[Argument]:
        first = arguments[0]
        assert first is not None
        if node.kind == "Dropout":
            training = arguments[2] if len(arguments) > 2 else None
            if isinstance(training, Const) and training.real.any():
                raise NetworkError(
                    f"training_mode of {node.label} must be false: export in evaluation mode"
                )
            return [first]
        if node.kind == "Gather" and isinstance(first, Const):
            constants = [a for a in arguments if a is None or isinstance(a, Const)]
            if len(constants) == len(arguments):
                return folded(node, constants, self._network.opset)
        rest = numbers_of(node, arguments[1:])
        found = moves(node, first.shape, rest)
        if isinstance(first, Const):
            return [first.mapped(move) for move in found]
        value = _value(first)
        if value.padded and node.kind != "Identity":
            raise NetworkError(f"a Pad must be followed by a Conv, not by {node.label}")
        try:
            moved = [value.moved(move(value.index)) for move in found]
        except NetworkError:
            raise
        except (ValueError, IndexError):
            raise NetworkError(
                f"parameters of {node.label} must fit its input of shape {list(first.shape)}, "
                f"not {shown(rest)}"
            ) from None
        if isinstance(first, CodeTensor):
            return [replace(first, value=one) for one in moved]
        return moved

    def _quantiser(self, node: OnnxNode, arguments: list[Argument | None]) -> Argument:
        first = arguments[0]
        numbers = numbers_of(node, arguments[1:])
        if node.kind == "QuantizeLinear":
            grid = quantisers.grid_of_node(node, numbers)
            if isinstance(first, Const):
                return quantisers.quantise_constant(first, grid, node.label)
            if not isinstance(first, Value):
                raise NetworkError(f"input of {node.label} must be real numbers, not codes")
            return quantisers.quantise(self._grids, node, first, grid)
        if isinstance(first, Const):
            kind = first.real.dtype.name
            grid = quantisers.grid_of_node(node, numbers, kind)
            kinds = self._formats.get(node.inputs[0])
            return quantisers.dequantise_constant(first, grid, node.label, kinds, node.inputs[0])
        if not isinstance(first, CodeTensor):
            raise NetworkError(f"input of {node.label} must be codes, not real numbers")
        grid = quantisers.grid_of_node(node, numbers, first.kind)
        return quantisers.dequantise(self._grids, node, first, grid)


def _value(argument: Value | CodeTensor) -> Value:
    return argument.value if isinstance(argument, CodeTensor) else argument


def _probe(value: Value) -> Value:
    """Return a padded tensor's numbers as a plain source, without the operators that made them."""
    return Value(source=value.source, index=value.index, padding=value.padding)


def rescaled(codes: Codes, gain: float) -> Codes:
    """Return the same codes with the scale times ``gain``."""
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
    """Format an exception as part of one line."""
    return " ".join(f"{type(error).__name__} {error}".split())


def _input(network: OnnxNetwork) -> Value | CodeTensor:
    """Return the network's input; ``[1, channels, height, width]`` is stored channels last."""
    shape = network.input_shape
    if len(shape) == 4:
        stored: tuple[int, ...] = (shape[2], shape[3], shape[1])
        index = storage_index(stored).transpose(2, 0, 1)[None]
    else:
        stored = shape[1:] if len(shape) == 3 else shape
        index = storage_index(stored).reshape(shape)
    source = NetworkInput(label=f"input {network.input!r}", shape=stored, holds=network.input_kind)
    value = Value(source=source, index=index)
    if network.input_kind == "float32":
        return value
    return CodeTensor(value=value, scale=None, zero_point=0, kind=network.input_kind)
