"""An integer graph as the layers a machine sees, in the order in which the mapper has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flows.estimate.cycles.machine_layer import INPUT, Layer, Table, Work
from flows.estimate.cycles.pooling import pool_windows
from flows.mapper.mapped import MappedNetwork
from flows.mapper.order import mapping_order
from flows.mapper.plan import concat_parts
from models.machine.units import Unit
from models.network.flattened import flattened, whole_input
from models.network.graph import ConcatTokens, Constant, IntegerGraph, Node, Reshape, SelectTokens
from models.ops.add import Add
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution
from models.ops.layer_norm import LayerNorm
from models.ops.pool import AveragePool, MaxPool
from models.ops.requantize import Requantize
from models.ops.softmax import Softmax
from models.program.descriptor import decode_program
from models.program.layout import LoadTarget

__all__ = ["graph_layers", "mapped_layers"]


def graph_layers(graph: IntegerGraph) -> list[Layer]:
    """Layers of a network; concatenations of made tensors cost nothing, others a copy each."""
    whole = whole_input(graph)
    graph = flattened(graph)
    if whole is not None:
        kind = replace(graph.tensors[graph.input], shape=whole)
        graph = replace(graph, tensors={**graph.tensors, graph.input: kind})
    nodes = mapping_order(graph.nodes, graph.output)
    return _Reader(graph, nodes).layers()


def mapped_layers(graph: IntegerGraph, network: MappedNetwork) -> list[Layer]:
    """The same, with the tiles and row orders of the mapping to the machine's row classes."""
    spec = network.spec
    layers = graph_layers(graph)
    if not spec.scatter:
        return layers
    made = {layer.output: layer for layer in network.layers}
    ordered = {
        one.tag
        for one in decode_program(spec, network.image.tobytes())
        if one.unit is Unit.LOAD and one.fields["target"] == LoadTarget.ORDER
    }
    found = []
    for layer in layers:
        if layer.work is Work.PRODUCT:
            mapped = made[layer.output]
            layer = replace(layer, tiles=sum(mapped.tiles), order=mapped.tag in ordered)
            if layer.groups > 1:
                layer = replace(layer, pass_tiles=mapped.tiles)
        found.append(layer)
    return found


class _Reader:
    def __init__(self, graph: IntegerGraph, nodes: Sequence[Node]) -> None:
        self.graph, self.nodes = graph, nodes
        self.heads = _heads(graph, nodes)
        self.inside = concat_parts(graph, self.heads)
        self.at: dict[str, int] = {graph.input: INPUT}
        self.found: list[Layer] = []

    def layers(self) -> list[Layer]:
        """Read node after node."""
        for node in self.nodes:
            sources = tuple(self.at[name] for name in node.inputs)
            if isinstance(node.operator, ConcatTokens):
                sources = self._copies(node, sources)
            self.found.append(self._layer(node, sources))
            self.at[node.output] = len(self.found) - 1
        return self.found

    def _copies(self, node: Node, sources: tuple[int, ...]) -> tuple[int, ...]:
        ends = []
        for name, source in zip(node.inputs, sources, strict=True):
            origin = name
            makers = {n.output: n for n in self.nodes}
            while origin in makers and isinstance(makers[origin].operator, Reshape):
                origin = makers[origin].inputs[0]
            if self.inside.get(origin, ("", 0))[0] == node.output:
                ends.append(source)
                continue
            rows, channels = self.graph.tensors[name].shape
            bits = self.graph.tensors[name].bits
            self.found.append(
                Layer(name=node.name, work=Work.MAP, sources=(source,), positions=rows,
                      channels=channels, outputs=channels, bits_in=bits, bits_out=bits)
            )  # fmt: skip
            ends.append(len(self.found) - 1)
        return tuple(ends)

    def _layer(self, node: Node, sources: tuple[int, ...]) -> Layer:
        graph, op = self.graph, node.operator
        kind = graph.tensors[node.output]
        shape = kind.shape
        source = graph.tensors[node.inputs[0]] if node.inputs else kind
        plain = Layer(
            name=node.name,
            output=node.output,
            work=Work.VIEW,
            sources=sources,
            positions=int(np.prod(shape[:-1])),
            channels=source.shape[-1],
            outputs=shape[-1],
            bits_in=source.bits,
            bits_out=kind.bits,
            rows_in=int(np.prod(source.shape[:-1])),
            in_heads=self.heads.get(node.inputs[0], 1) if node.inputs else 1,
            out_heads=self.heads.get(node.output, 1),
        )
        match op:
            case Reshape() if shape[-1] != source.shape[-1]:
                # The network's output, stored as it lies.
                return replace(plain, positions=plain.rows_in, outputs=source.shape[-1])
            case Reshape() | SelectTokens() | ConcatTokens():
                return plain
            case Constant():
                return replace(plain, work=Work.CONSTANT, sources=())
            case Convolution():
                taps = op.weights.shape[1] * op.weights.shape[2]
                macs = int(np.prod(shape[:-1])) * op.macs_per_position
                stem = node.inputs[0] == graph.input and len(source.shape) == 3 and taps > 1
                alone = sum(graph.input in n.inputs for n in self.nodes) == 1
                return replace(
                    plain, work=Work.PRODUCT, taps=taps, macs=macs,
                    stem=stem and alone and op.groups == 1, groups=op.groups,
                    tables=_function(op.requantize),
                )  # fmt: skip
            case AttentionScores():
                width = source.shape[-1] // op.heads
                return replace(
                    plain, work=Work.SCORES, heads=op.heads, channels=width, in_heads=1,
                    macs=int(np.prod(shape)) * width, tables=_function(op.requantize),
                )  # fmt: skip
            case AttentionContext():
                keys = graph.tensors[node.inputs[1]].shape[0]
                width = shape[-1] // op.heads
                return replace(
                    plain, work=Work.CONTEXT, heads=op.heads, positions=op.heads * shape[0],
                    channels=keys, outputs=width, in_heads=1, out_heads=1,
                    macs=int(np.prod(shape)) * keys, tables=_function(op.requantize),
                )  # fmt: skip
            case LayerNorm():
                return replace(plain, work=Work.NORM, tables=(_row(op.root.table),))
            case Softmax():
                exp = Table(key=np.asarray(op.exp).tobytes(), entries=len(op.exp))
                return replace(plain, work=Work.SOFTMAX, tables=(exp, _row(op.reciprocal.table)))
            case Add():
                return replace(plain, work=Work.ADD)
            case MaxPool() | AveragePool():
                return replace(
                    plain, work=Work.MAX_POOL if isinstance(op, MaxPool) else Work.POOL,
                    windows=pool_windows(op.window, source.shape[0], source.shape[1]),
                )  # fmt: skip
            case Requantize():
                return replace(plain, work=Work.MAP, tables=_function(op))


def _row(table: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Table:
    return Table(key=np.asarray(table).tobytes(), entries=len(table), row=True)


def _function(spec: Requantize) -> tuple[Table, ...]:
    if spec.table is None:
        return ()
    table = np.asarray(spec.table.table)
    return (Table(key=table.tobytes(), entries=len(table)),)


def _heads(graph: IntegerGraph, nodes: Sequence[Node]) -> dict[str, int]:
    """Tensors whose channels are split into heads, through views."""
    heads: dict[str, int] = {}
    for node in nodes:
        op = node.operator
        if isinstance(op, AttentionScores):
            heads |= dict.fromkeys(node.inputs, op.heads)
        elif isinstance(op, AttentionContext):
            heads |= {node.inputs[1]: op.heads, node.output: op.heads}
    for node in reversed(nodes):
        if isinstance(node.operator, Reshape | SelectTokens) and node.output in heads:
            heads.setdefault(node.inputs[0], heads[node.output])
    return heads
