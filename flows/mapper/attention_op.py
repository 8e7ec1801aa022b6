"""Emits attention, whose scores and probabilities may live in memory."""

from __future__ import annotations

from math import prod

from flows.mapper import matrix_ops
from flows.mapper.emitter import Emitter
from flows.mapper.head_rows import HeadRows
from flows.mapper.home import Home
from flows.mapper.operands import check_product
from flows.mapper.place import MappingError, Place, shown
from flows.mapper.spill import Spilling
from flows.mapper.tensors import Tensors
from models.network.graph import Node
from models.ops.attention import AttentionContext, AttentionScores

__all__ = ["attend"]


def attend(
    out: Emitter,
    at: Tensors,
    spilling: Spilling,
    node: Node,
    op: AttentionScores | AttentionContext,
) -> tuple[matrix_ops.Work, int]:
    """Emit one product of activations; return its work and its multiply-accumulates.

    Raises
    ------
    MappingError
        If it does not fit the machine.
    """
    spec, tensors = at.spec, at.graph.tensors
    left, right = node.inputs
    check_product(at.graph, spec, node.inputs, op)
    work = int(prod(tensors[node.output].shape))
    if isinstance(op, AttentionScores):
        query, key = _near(at, left), _near(at, right)
        scores = _heads(at, spilling, node, at.result(node.output), op.heads)
        done = matrix_ops.attention_scores(out, spec, op, query, key, scores)
        return done, work * (tensors[left].shape[-1] // op.heads)
    value = _near(at, right)
    target = at.take_tensor(node.output)
    rows = _heads(at, spilling, node, at.homes.get(left) or at.places[left], op.heads)
    done = matrix_ops.attention_context(out, spec, op, rows, value, target)
    return done, work * tensors[right].shape[0]


def _near(at: Tensors, name: str) -> Place:
    if name not in at.places:
        raise MappingError(f"operand {shown(name)!r} must lie in the scratchpad")
    return at.places[name]


def _heads(
    at: Tensors, spilling: Spilling, node: Node, where: Place | Home, heads: int
) -> HeadRows:
    rows = HeadRows(at=where, heads=heads, name=node.output, allocator=at.allocator)
    if isinstance(where, Home):
        spilling.note(node.output, at.allocator.used)
        spilling.room(node.output, min(2, heads) * rows.head_words)
        rows.take()
    return rows
