"""The order in which operators are mapped."""

from __future__ import annotations

from models.network.graph import Node, Reshape, SelectTokens
from models.ops.add import Add
from models.ops.layer_norm import LayerNorm
from models.ops.pool import AveragePool, MaxPool
from models.ops.requantize import Requantize
from models.ops.softmax import Softmax

PATIENT = (Softmax, LayerNorm, Add, Requantize, MaxPool, AveragePool)
"""Operators of the vector unit alone. They are deferred until their result is needed, so that
products which do not depend on them (V, during softmax) do not wait for them."""


def mapping_order(nodes: tuple[Node, ...], output: str) -> list[Node]:
    """Return a valid order of execution with patient operators as late as possible."""
    makers = {node.output: node for node in nodes}
    done: set[str] = set()
    order: list[Node] = []

    def visit(node: Node) -> None:
        if node.output in done:
            return
        done.add(node.output)
        for tensor in node.inputs:
            if tensor in makers:
                visit(makers[tensor])
        order.append(node)

    for node in nodes:
        if not isinstance(node.operator, PATIENT) and not _waits(node, makers, done):
            visit(node)
    if output in makers:
        visit(makers[output])
    return order


def _waits(node: Node, makers: dict[str, Node], done: set[str]) -> bool:
    """Flag: the node is a view of a tensor not made so far, so it is deferred with that tensor."""
    return isinstance(node.operator, Reshape | SelectTokens) and any(
        t in makers and t not in done for t in node.inputs
    )
