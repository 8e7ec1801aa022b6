"""A network in the number formats of a machine: what it would be if it were quantised for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from models.formats.row_classes import RowClass
from models.machine.spec import MachineSpec
from models.network.graph import Constant, IntegerGraph, Node, Operator
from models.numerics.rescale import Integers
from models.ops.add import Add
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution
from models.ops.layer_norm import LayerNorm
from models.ops.pool import AveragePool, MaxPool
from models.ops.requantize import Requantize
from models.ops.softmax import Softmax

__all__ = ["in_formats", "stand_in_weights"]


def in_formats(graph: IntegerGraph, spec: MachineSpec) -> IntegerGraph:
    """The same operators on the same shapes, with values that the machine can hold.

    Rows of weights are on the grids of the machine's row classes, in their ratio; codes fit its
    activations, and where attention multiplies two of them, the first class' rows; without zero
    points in products. Its results mean nothing: it is for the mapper.
    """
    classes = spec.classes
    bits = spec.act_bits
    pairs = any(isinstance(n.operator, AttentionScores | AttentionContext) for n in graph.nodes)
    if pairs and classes:
        bits = min(bits, classes[0].book.bits)
    most = (1 << bits - 1) - 1
    nodes = []
    renamed = {}
    if classes and spec.act_bits < 8:
        # The input has 8 bits: a machine of fewer narrows it first.
        name = f"{graph.input} narrowed"
        renamed[graph.input] = name
        nodes.append(Node(name=name, operator=_narrow(_COPY, most), inputs=(graph.input,),
                          output=name))  # fmt: skip
    for node in graph.nodes:
        operator = _held(node.operator, classes, most)
        inputs = tuple(renamed.get(t, t) for t in node.inputs)
        nodes.append(replace(node, operator=operator, inputs=inputs))
    tensors = {**graph.tensors, **{new: graph.tensors[old] for old, new in renamed.items()}}
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


_ONE = np.ones(1, dtype=np.int64)
_COPY = Requantize(bias=0 * _ONE, multiplier=_ONE, shift=0 * _ONE)


def _held(operator: Operator, classes: Sequence[RowClass], most: int) -> Operator:
    match operator:
        case Convolution():
            return replace(
                operator,
                weights=stand_in_weights(operator.weights.shape, classes),
                requantize=_narrow(operator.requantize, most),
                formats=(),
                input_zero=0,
            )
        case AttentionScores():
            return replace(
                operator, requantize=_narrow(operator.requantize, most), query_zero=0, key_zero=0
            )
        case AttentionContext():
            return replace(
                operator, requantize=_narrow(operator.requantize, most), probability_zero=0,
                value_zero=0,
            )  # fmt: skip
        case Requantize():
            return _narrow(operator, most)
        case Constant():
            return Constant(codes=np.broadcast_to(np.int64(0), operator.codes.shape))
        case LayerNorm() | Softmax() | Add() | MaxPool() | AveragePool():
            return replace(operator, low=max(operator.low, -most), high=min(operator.high, most))
    return operator


def _narrow(spec: Requantize, most: int) -> Requantize:
    table = spec.table
    if table is not None:
        table = replace(table, table=np.clip(table.table, -most, most))
    return replace(spec, low=max(spec.low, -most), high=min(spec.high, most), table=table)


def stand_in_weights(shape: tuple[int, ...], classes: Sequence[RowClass]) -> Integers:
    """Weights of which a row holds one value, that no class before its own can hold if any.

    They take the memory of one a row.
    """
    if not classes:
        return np.broadcast_to(np.int64(0), shape)
    values = _values(shape[0], tuple(classes))
    return np.broadcast_to(values.reshape(-1, *[1] * (len(shape) - 1)), shape)


@lru_cache(maxsize=64)
def _values(count: int, classes: tuple[RowClass, ...]) -> Integers:
    rows = np.array([c.rows for c in classes])
    own = []
    for kind in classes:
        others = [c.grid for c in classes if c is not kind and len(c.grid) >= len(kind.grid)]
        alone = np.setdiff1d(kind.grid, np.concatenate(others)) if others else kind.grid
        own.append(int(alone[-1] if alone.size else kind.grid[-1]))
    # Each row goes to the class that is furthest behind its share.
    given = np.zeros(len(classes))
    values = np.empty(count, dtype=np.int64)
    for row in range(count):
        chosen = int(np.argmax(rows / rows.sum() * (row + 1) - given))
        given[chosen] += 1
        values[row] = own[chosen]
    return values
