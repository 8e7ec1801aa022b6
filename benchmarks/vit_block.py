"""One encoder block of a named vision transformer with random weights: mapped, or simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flows.estimate.cycles.layer_graphs import largest_held, layer_graph
from models.formats.row_classes import RowClass
from models.network.graph import IntegerGraph, Node
from models.network.workloads import LayerShape, find_workload
from models.numerics.quantized import TensorType
from models.ops.convolution import Convolution

__all__ = ["block_graph", "block_shapes"]


def block_shapes(workload: str, tokens: int = 0) -> dict[str, LayerShape]:
    """Layers of the first block by name, with all its tokens or fewer."""
    shapes = {
        layer.name.removeprefix("block0."): layer
        for layer in find_workload(workload).layers
        if layer.name.startswith("block0.")
    }
    qkv = shapes.pop("qkv")
    width = qkv.outputs // 3
    shapes |= {part: replace(qkv, outputs=width) for part in ("query", "key", "value")}
    if tokens:
        shapes = {name: _fewer(layer, tokens) for name, layer in shapes.items()}
    return shapes


def block_graph(workload: str, classes: Sequence[RowClass], tokens: int = 0) -> IntegerGraph:
    """The first block; rows of weights in the classes' ratio, keys and values as its rows hold."""
    shapes = block_shapes(workload, tokens)
    most = largest_held(classes)
    reads = {
        "norm1": ("input",),
        "query": ("norm1",),
        "key": ("norm1",),
        "attention.scores": ("query", "key"),
        "value": ("norm1",),
        "attention.softmax": ("attention.scores",),
        "attention.context": ("attention.softmax", "value"),
        "projection": ("attention.context",),
        "add1": ("projection", "input"),
        "norm2": ("add1",),
        "mlp1": ("norm2",),
        "mlp2": ("mlp1",),
        "add2": ("mlp2", "add1"),
    }
    tensors: dict[str, TensorType] = {}
    nodes = []
    for seed, (name, inputs) in enumerate(reads.items()):
        alone = layer_graph(shapes[name], classes, seed)
        tensors.setdefault("input", alone.tensors["input"])
        tensors[name] = alone.tensors["output"]
        operator = alone.nodes[-1].operator
        if name in ("key", "value") and isinstance(operator, Convolution):
            held = replace(operator.requantize, low=-most, high=most)
            operator = replace(operator, requantize=held)
        nodes.append(Node(name=name, operator=operator, inputs=inputs, output=name))
    return IntegerGraph(
        name=f"{workload} block", input="input", output="add2", tensors=tensors, nodes=tuple(nodes)
    )


def _fewer(layer: LayerShape, tokens: int) -> LayerShape:
    """As many tokens, and keys of attention."""
    name = layer.name.rpartition(".")[2]
    changes: dict[str, Any] = {"width": tokens}
    if name == "scores":
        changes["outputs"] = tokens
    elif name == "softmax":
        changes |= {"outputs": tokens, "depth": tokens}
    elif name == "context":
        changes["depth"] = tokens
    return replace(layer, rows=1, **changes)
