"""A named workload as a graph of integer operators with the right shapes, for the mapper."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import prod

import numpy as np

from models.network.graph import (
    ConcatTokens,
    Constant,
    IntegerGraph,
    Node,
    Operator,
    Reshape,
    SelectTokens,
)
from models.network.workloads import Kind, LayerShape
from models.numerics.quantized import TensorType
from models.numerics.rescale import Integers
from models.ops.add import Add
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution
from models.ops.layer_norm import layer_norm_spec
from models.ops.pool import AveragePool, MaxPool, Window
from models.ops.requantize import Requantize
from models.ops.softmax import softmax_spec

__all__ = ["workload_graph"]

Shape = tuple[int, ...]


def workload_graph(name: str, shapes: Iterable[LayerShape]) -> IntegerGraph:
    """The graph of a workload's layers; its weights are zeros that take no memory.

    An addition adds what the first layer since the last addition has read that has the result's
    shape, or the layer named ``shortcut``. A linear layer before attention is three. A token more
    than there were is a class token; a position embedding is added behind it.
    """
    listed = list(shapes)
    made = _Builder(listed[0])
    for shape, after in pairwise([*listed, None]):
        assert shape is not None
        made.add(shape, after)
    return IntegerGraph(
        name=name, input="input", output=made.last, tensors=made.tensors, nodes=tuple(made.nodes)
    )


class _Builder:
    def __init__(self, first: LayerShape) -> None:
        lines, columns = (
            n * s if k > s or k == 1 else (n - 1) * s + k
            for n, k, s in zip((first.rows, first.width), first.kernel, first.stride, strict=True)
        )
        self.tensors = {"input": TensorType(shape=(lines, columns, first.depth))}
        self.nodes: list[Node] = []
        self.last = "input"
        self.beside = ""  # a shortcut whose addition is still to come
        self.read: list[str] = []  # by the layers since the last addition
        self.parts: tuple[str, ...] = ()  # query, key and value

    def add(self, shape: LayerShape, after: LayerShape | None) -> None:
        """Append a layer."""
        if shape.kind is Kind.LINEAR and after is not None and after.kind is Kind.SCORES:
            keys = after.groups * after.depth
            source = self._tokens(shape)
            self.parts = tuple(
                self._product(f"{shape.name}.{part}", shape, source, outputs)
                for part, outputs in (
                    ("query", keys), ("key", keys), ("value", shape.outputs - 2 * keys),
                )
            )  # fmt: skip
            return
        match shape.kind:
            case Kind.CONVOLUTION:
                self._convolution(shape)
            case Kind.LINEAR:
                source = self._tokens(shape)
                self.last = self._product(shape.name, shape, source, shape.outputs)
            case Kind.SCORES:
                op = AttentionScores(heads=shape.groups, requantize=_requantize(1))
                size = (shape.groups, shape.positions, shape.outputs)
                self.last = self._node(shape.name, op, self.parts[:2], size)
            case Kind.SOFTMAX:
                self.last = self._node(
                    shape.name,
                    softmax_spec(input_scale=0.05, output_scale=1 / 256, output_zero=-128),
                    (self.last,),
                    self.tensors[self.last].shape,
                )
            case Kind.CONTEXT:
                self.last = self._node(
                    shape.name,
                    AttentionContext(heads=shape.groups, requantize=_requantize(1)),
                    (self.last, self.parts[2]),
                    (shape.positions, shape.outputs),
                )
            case Kind.NORM:
                source = self._tokens(shape)
                depth = shape.depth
                norm = layer_norm_spec(
                    np.ones(depth), np.zeros(depth), epsilon=1e-6, input_scale=0.02,
                    output_scale=0.03, output_zero=0,
                )  # fmt: skip
                self.last = self._node(shape.name, norm, (source,), self.tensors[source].shape)
            case Kind.ADD:
                self._add(shape)
            case Kind.POOL:
                self._pool(shape)

    def _node(self, name: str, op: Operator, inputs: tuple[str, ...], shape: Shape) -> str:
        self.tensors[name] = TensorType(shape=shape)
        self.nodes.append(Node(name=name, operator=op, inputs=inputs, output=name))
        self.read += inputs
        return name

    def _view(self, name: str, source: str, shape: Shape) -> str:
        if self.tensors[source].shape == shape:
            return source
        return self._node(name, Reshape(shape), (source,), shape)

    def _source(self, shape: LayerShape) -> str:
        """Input of a layer: the last tensor, or the source of that tensor if its channels differ
        (a second classifier)."""
        source = self.last
        makers = {node.output: node for node in self.nodes}
        while self.tensors[source].shape[-1] != shape.depth:
            source = makers[source].inputs[0]
        return source

    def _tokens(self, shape: LayerShape) -> str:
        """Input of a layer that works on every position, as ``[tokens, channels]``."""
        source = self._source(shape)
        have, want = prod(self.tensors[source].shape[:-1]), shape.positions
        source = self._view(f"{shape.name}.tokens", source, (have, shape.depth))
        if want == have:
            return source
        size = (want, shape.depth)
        if want < have:
            return self._node(f"{shape.name}.select", SelectTokens(0, want), (source,), size)
        token = self._constant(f"{shape.name}.token", (want - have, shape.depth))
        joined = self._node(f"{shape.name}.join", ConcatTokens(), (token, source), size)
        place = self._constant(f"{shape.name}.place", size)
        self.read.clear()
        self.last = self._node(f"{shape.name}.embed", _sum(), (joined, place), size)
        self.read.clear()
        return self.last

    def _constant(self, name: str, shape: Shape) -> str:
        codes = np.broadcast_to(np.int64(0), shape)
        return self._node(name, Constant(codes=codes), (), shape)

    def _product(self, name: str, shape: LayerShape, source: str, outputs: int) -> str:
        op = Convolution(
            weights=_zeros((outputs, 1, 1, shape.depth)), requantize=_requantize(outputs)
        )
        return self._node(name, op, (source,), (shape.positions, outputs))

    def _convolution(self, shape: LayerShape) -> None:
        source = self._source(shape)
        size = self.tensors[source].shape[:2]
        counts = (shape.rows, shape.width)
        pads = [
            max((n - 1) * s + k - have, 0)
            for n, s, k, have in zip(counts, shape.stride, shape.kernel, size, strict=True)
        ]
        op = Convolution(
            weights=_zeros((shape.outputs, *shape.kernel, shape.depth // shape.groups)),
            groups=shape.groups,
            requantize=_requantize(shape.outputs),
            stride=shape.stride,
            padding=(pads[0] // 2, pads[1] // 2, -(-pads[0] // 2), -(-pads[1] // 2)),
        )
        made = self._node(shape.name, op, (source,), op.output_shape(*size))
        if shape.name.endswith("shortcut"):
            self.beside = made
        else:
            self.last = made

    def _add(self, shape: LayerShape) -> None:
        size = self.tensors[self.last].shape
        other, self.beside = self.beside, ""
        if not other:
            views = (t for t in self.read if t != self.last)
            other = next(t for t in views if prod(self.tensors[t].shape) == prod(size)
                         and self.tensors[t].shape[-1] == size[-1])  # fmt: skip
        other = self._view(f"{shape.name}.operand", other, size)
        self.last = self._node(shape.name, _sum(), (self.last, other), size)
        self.read.clear()

    def _pool(self, shape: LayerShape) -> None:
        source = self._source(shape)
        size = self.tensors[source].shape
        if len(size) == 2:
            size = (1, *size)
            source = self._view(f"{shape.name}.image", source, size)
        if shape.kernel == (1, 1):
            window = Window(kernel=(size[0], size[1]), stride=(1, 1))
            count = size[0] * size[1]
            mean = AveragePool(window=window, multipliers=((count, (1 << 30) // count),), shift=30)
            self.last = self._node(shape.name, mean, (source,), (1, 1, shape.outputs))
            return
        pads = [max((n - 1) * s + k - have, 0) for n, s, k, have in zip(
            (shape.rows, shape.width), shape.stride, shape.kernel, size, strict=False)]  # fmt: skip
        top, left = (-(-p // 2) for p in pads)
        window = Window(
            kernel=shape.kernel, stride=shape.stride,
            padding=(top, left, pads[0] - top, pads[1] - left),
        )  # fmt: skip
        result = (*window.output_shape(size[0], size[1]), shape.outputs)
        self.last = self._node(shape.name, MaxPool(window=window), (source,), result)


def _zeros(shape: Shape) -> Integers:
    return np.broadcast_to(np.int64(0), shape)


def _requantize(channels: int) -> Requantize:
    one = np.ones(channels, dtype=np.int64)
    return Requantize(bias=0 * one, multiplier=one, shift=0 * one)


def _sum() -> Add:
    return Add(a_multiplier=1, b_multiplier=1, shift=1)
