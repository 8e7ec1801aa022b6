"""Linear layers on flattened maps as convolutions that read every position of the map.

A machine keeps the channels of each position together, so it cannot view an image ``[h, w, c]`` as
one row of ``h * w * c`` channels. A linear layer on that row is a convolution whose kernel covers
``h * w`` positions; this rewrite makes it one. Element-wise operators in between move in front of
the reshape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod

from models.network.graph import Constant, IntegerGraph, Node, Operator, Reshape
from models.numerics.quantized import TensorType
from models.ops.add import Add
from models.ops.convolution import Convolution
from models.ops.requantize import Requantize

__all__ = ["flattened", "whole_input"]

Shape = tuple[int, ...]
STRIDE_MAX = 255
"""Most positions that several output positions are apart (a field of the program)."""


def flattened(graph: IntegerGraph) -> IntegerGraph:
    """Return an equal graph in which convolutions read maps that were flattened.

    Reshapes that join ``k`` neighbouring positions, ``[..., n * k, c] -> [..., n, k * c]``, become
    reshapes to ``[..., n * k, c]`` where all their readers are convolutions (linear layers) or
    element-wise operators before convolutions. Names stay as they are. All other reshapes stay, and
    a graph without such reshapes is returned as it is.
    """
    read = {name for n in graph.nodes for name in n.inputs}
    roots = {n.output for n in graph.nodes if isinstance(n.operator, Reshape)} & read
    whole = whole_input(graph)
    if whole is not None:
        roots -= {n.output for n in graph.nodes if graph.input in n.inputs}
    while True:
        plan = _Plan(graph, frozenset(roots))
        refused = plan.mark()
        if not refused:
            break
        roots -= refused
    return plan.rewritten() if plan.apart else graph


def whole_input(graph: IntegerGraph) -> Shape | None:
    """Return the shape ``(rows, channels)`` in which the host should lay out the network's input.

    None, where the input's own shape does: that is, unless all its readers flatten it alike.
    """
    readers = [n.operator for n in graph.nodes if graph.input in n.inputs]
    shape = graph.tensors[graph.input].shape
    widths = {op.shape[-1] if isinstance(op, Reshape) else shape[-1] for op in readers}
    if graph.input == graph.output or len(widths) != 1 or widths == {shape[-1]}:
        return None
    (width,) = widths
    return prod(shape) // width, width


@dataclass
class _Joined:
    """A tensor stored as ``shape``, of which every ``count`` positions are one of the network's."""

    root: str
    shape: Shape
    count: int


@dataclass
class _Plan:
    graph: IntegerGraph
    roots: frozenset[str]
    apart: dict[str, _Joined] = field(default_factory=dict)
    stored: dict[str, Shape] = field(default_factory=dict)

    def mark(self) -> set[str]:
        """Find the tensors to keep apart; return the reshapes whose readers cannot take them."""
        graph, refused = self.graph, set[str]()
        for node in graph.nodes:
            shape = graph.tensors[node.output].shape
            self.stored[node.output] = shape
            sources = [self.apart[name] for name in node.inputs if name in self.apart]
            joined = self._joined(node)
            if joined is not None:
                self.apart[node.output] = joined
                self.stored[node.output] = joined.shape
            elif sources and not isinstance(node.operator, Reshape):
                if not _takes(node, sources, graph.tensors):
                    refused |= {source.root for source in sources}
        return refused

    def _joined(self, node: Node) -> _Joined | None:
        """How a node's result is kept apart, if it is."""
        graph, op = self.graph, node.operator
        shape = graph.tensors[node.output].shape
        if isinstance(op, Reshape):
            source = self._shape(node.inputs[0])
            depth = source[-1]
            if shape[-1] == depth or shape[-1] % depth or node.output not in self.roots:
                return None
            count = shape[-1] // depth
            return _Joined(node.output, (*shape[:-2], shape[-2] * count, depth), count)
        sources = [self.apart.get(name) for name in node.inputs]
        first = next((s for s in sources if s is not None), None)
        if first is None or not isinstance(op, Requantize | Add):
            return None
        made = {n.output: n.operator for n in graph.nodes}
        for name, other in zip(node.inputs, sources, strict=True):
            if other is None:
                constant = isinstance(made.get(name), Constant)
                if not constant or graph.tensors[name].shape != shape:
                    return None
            elif other.shape != first.shape:
                return None
        if isinstance(op, Requantize) and op.channels > 1:
            return None
        return replace(first)

    def _shape(self, name: str) -> Shape:
        return self.stored.get(name, self.graph.tensors[name].shape)

    def rewritten(self) -> IntegerGraph:
        """Return the graph with these tensors apart."""
        graph = self.graph
        tensors: dict[str, TensorType] = dict(graph.tensors)
        for name, joined in self.apart.items():
            tensors[name] = replace(tensors[name], shape=joined.shape)
        nodes: list[Node] = []
        for node in graph.nodes:
            nodes += self._node(node, tensors)
        if graph.output in self.apart:
            nodes = list(_with_output(graph, nodes, tensors))
        return replace(graph, tensors=tensors, nodes=tuple(nodes))

    def _node(self, node: Node, tensors: dict[str, TensorType]) -> list[Node]:
        joined, op = self.apart.get(node.output), node.operator
        if joined is not None and isinstance(op, Reshape):
            return [replace(node, operator=Reshape(shape=joined.shape))]
        if isinstance(op, Convolution) and node.inputs[0] in self.apart:
            source = self.apart[node.inputs[0]]
            return [replace(node, operator=_spread(op, source))]
        if joined is None:
            return [node]
        made: list[Node] = []
        inputs = list(node.inputs)
        for place, name in enumerate(inputs):
            if name not in self.apart:
                maker = next(n for n in self.graph.nodes if n.output == name)
                assert isinstance(maker.operator, Constant)
                inputs[place] = f"{name} of {node.output}"
                tensors[inputs[place]] = replace(tensors[name], shape=joined.shape)
                codes = maker.operator.codes.reshape(joined.shape)
                made.append(Node(name=maker.name, operator=Constant(codes=codes), inputs=(),
                                 output=inputs[place]))  # fmt: skip
        return [*made, replace(node, inputs=tuple(inputs))]


def _takes(node: Node, sources: list[_Joined], tensors: Mapping[str, TensorType]) -> bool:
    """Flag: a node can read its inputs apart, and yields what it did."""
    op = node.operator
    if not isinstance(op, Convolution):
        return False
    (source,) = sources
    several = tensors[node.output].shape[-2] > 1
    plain = op.groups == 1 and (op.dilation[1] == 1 or op.weights.shape[2] == 1)
    return plain and (not several or op.stride[1] * source.count <= STRIDE_MAX)


def _spread(op: Convolution, source: _Joined) -> Convolution:
    """Return the convolution on a row that is ``count`` times as long, of fewer channels."""
    out, tall, wide, _ = op.weights.shape
    top, left, bottom, right = op.padding
    count = source.count
    positions = (source.shape[-2] // count + left + right - wide) // op.stride[1] + 1
    return replace(
        op,
        weights=op.weights.reshape(out, tall, wide * count, source.shape[-1]),
        stride=(op.stride[0], op.stride[1] * count if positions > 1 else 1),
        dilation=(op.dilation[0], 1),
        padding=(top, left * count, bottom, right * count),
    )


def _with_output(
    graph: IntegerGraph, nodes: Iterable[Node], tensors: dict[str, TensorType]
) -> Iterable[Node]:
    """Yield the nodes, and a reshape of the network's output to its own shape."""
    name = graph.output
    inner = f"{name} apart"
    tensors[inner], tensors[name] = tensors[name], graph.tensors[name]
    renamed: dict[str, str] = {name: inner}
    for node in nodes:
        inputs = tuple(renamed.get(t, t) for t in node.inputs)
        yield replace(node, inputs=inputs, output=renamed.get(node.output, node.output))
    maker: Operator = Reshape(shape=graph.tensors[name].shape)
    yield Node(name=name, operator=maker, inputs=(inner,), output=name)
