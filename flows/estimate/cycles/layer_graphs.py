"""A network of one layer of a named workload, with random weights: for measuring its cycles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flows.estimate.cycles.workload_layers import image_size
from models.formats.row_classes import RowClass
from models.network.graph import Constant, IntegerGraph, Node, Operator
from models.network.workloads import Kind, LayerShape
from models.numerics.quantized import TensorType
from models.numerics.rescale import Integers
from models.ops.add import Add
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution
from models.ops.layer_norm import LayerNorm, layer_norm_spec
from models.ops.pool import MaxPool, Window, average_pool_spec
from models.ops.requantize import Requantize
from models.ops.softmax import softmax_spec

__all__ = ["largest_held", "layer_graph", "with_values"]


def layer_graph(layer: LayerShape, classes: Sequence[RowClass] = (), seed: int = 0) -> IntegerGraph:
    """A graph of this layer alone.

    Rows of weights are on the grids of the classes, in their ratio and interleaved; keys and values
    are codes that rows of the first class hold.
    """
    rng = np.random.default_rng(seed)
    tokens, depth = layer.positions, layer.depth
    source: tuple[int, ...] = (tokens, depth)
    result: tuple[int, ...] = (tokens, layer.outputs)
    operator: Operator
    constants: list[Integers] = []
    requantize = _requantize(rng, layer.outputs if layer.weighted else 1)
    match layer.kind:
        case Kind.CONVOLUTION | Kind.LINEAR:
            size = (layer.outputs, *layer.kernel, depth // layer.groups)
            pads = [max(k - s, 0) for k, s in zip(layer.kernel, layer.stride, strict=True)]
            operator = Convolution(
                weights=_weights(rng, size, classes),
                requantize=requantize,
                stride=layer.stride,
                padding=(pads[0] // 2, pads[1] // 2, pads[0] - pads[0] // 2,
                         pads[1] - pads[1] // 2),
                groups=layer.groups,
            )  # fmt: skip
            if layer.kind is Kind.CONVOLUTION:
                source = (*image_size(layer), depth)
                result = (layer.rows, layer.width, layer.outputs)
        case Kind.SCORES:
            source = (tokens, layer.groups * depth)
            result = (layer.groups, tokens, layer.outputs)
            operator = AttentionScores(heads=layer.groups, requantize=requantize)
            keys = (layer.outputs, layer.groups * depth)
            constants.append(_codes(rng, keys, largest_held(classes)))
        case Kind.CONTEXT:
            source = (layer.groups, tokens, depth)
            operator = AttentionContext(heads=layer.groups, requantize=requantize)
            constants.append(_codes(rng, (depth, layer.outputs), largest_held(classes)))
        case Kind.SOFTMAX:
            source = result = (layer.groups, tokens, depth)
            operator = softmax_spec(input_scale=0.05, output_scale=1 / 256, output_zero=-128)
        case Kind.NORM:
            operator = layer_norm_spec(
                rng.uniform(0.5, 1, depth), np.zeros(depth), epsilon=1e-6, input_scale=0.02,
                output_scale=0.03, output_zero=0,
            )  # fmt: skip
        case Kind.ADD:
            operator = Add(a_multiplier=1, b_multiplier=1, shift=1)
            constants.append(_codes(rng, (tokens, depth)))
        case Kind.POOL:
            operator, source, result = _pool(layer)
    return _graph(layer.name, operator, source, constants, result)


def with_values(graph: IntegerGraph, classes: Sequence[RowClass], seed: int) -> IntegerGraph:
    """The same network with random weights on the grids of the classes, and random parameters."""
    rng = np.random.default_rng(seed)
    nodes = []
    for node in graph.nodes:
        op = node.operator
        if isinstance(op, Convolution):
            new = _requantize(rng, op.requantize.channels)
            op = replace(
                op, weights=_weights(rng, op.weights.shape, classes),
                requantize=replace(new, low=op.requantize.low, high=op.requantize.high),
                formats=(),
            )  # fmt: skip
        elif isinstance(op, LayerNorm):
            op = replace(op, gain=rng.integers(1, 1 + np.maximum(op.gain, 1)))
        nodes.append(replace(node, operator=op))
    return replace(graph, nodes=tuple(nodes))


def largest_held(classes: Sequence[RowClass]) -> int:
    """Largest code of keys and values, which fixed-point rows hold as if they were weights."""
    return min(127, classes[0].largest) if classes and classes[0].fixed else 127


def _graph(
    name: str,
    operator: Operator,
    source: tuple[int, ...],
    constants: Sequence[Integers],
    result: tuple[int, ...],
) -> IntegerGraph:
    tensors = {"input": TensorType(shape=source), "output": TensorType(shape=result)}
    nodes = []
    for index, codes in enumerate(constants):
        tensors[f"constant{index}"] = TensorType(shape=codes.shape)
        nodes.append(
            Node(name=f"constant{index}", operator=Constant(codes=codes), inputs=(),
                 output=f"constant{index}")
        )  # fmt: skip
    inputs = ("input", *(node.output for node in nodes))
    nodes.append(Node(name=name, operator=operator, inputs=inputs, output="output"))
    return IntegerGraph(
        name=name, input="input", output="output", tensors=tensors, nodes=tuple(nodes)
    )


def _pool(layer: LayerShape) -> tuple[Operator, tuple[int, ...], tuple[int, ...]]:
    result = (layer.rows, layer.width, layer.outputs)
    if layer.kernel == (1, 1):
        # The whole image; of its size the shape says nothing.
        size = (7, 7)
        window = Window(kernel=size, stride=(1, 1))
        return average_pool_spec(window, *size), (*size, layer.depth), result
    high, wide = image_size(layer)
    pads = [max(k - s, 0) for k, s in zip(layer.kernel, layer.stride, strict=True)]
    top, left = (-(-p // 2) for p in pads)
    window = Window(
        kernel=layer.kernel, stride=layer.stride,
        padding=(top, left, pads[0] - top, pads[1] - left),
    )  # fmt: skip
    return MaxPool(window=window), (high, wide, layer.depth), result


def _requantize(rng: np.random.Generator, channels: int) -> Requantize:
    # Of no two layers alike: the mapper would load their parameters once.
    multiplier = rng.integers(1 << 13, 1 << 14, channels)
    one = np.ones(channels, dtype=np.int64)
    return Requantize(bias=0 * one, multiplier=multiplier, shift=24 * one, low=-127)


def _codes(rng: np.random.Generator, size: tuple[int, ...], most: int = 127) -> Integers:
    return rng.integers(-most, most + 1, size)


def _weights(
    rng: np.random.Generator, size: tuple[int, ...], classes: Sequence[RowClass]
) -> Integers:
    if not classes:
        return _codes(rng, size)
    rows = np.array([c.rows for c in classes])
    # Each row goes to the class that is furthest behind its share.
    given = np.zeros(len(classes))
    weights = np.empty(size, dtype=np.int64)
    for row in range(size[0]):
        chosen = int(np.argmax(rows / rows.sum() * (row + 1) - given))
        given[chosen] += 1
        weights[row] = rng.choice(classes[chosen].grid, size[1:])
    return weights
