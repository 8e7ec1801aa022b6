"""Checks that the codes of tensors fit the array's operands."""

from __future__ import annotations

from collections.abc import Sequence

from flows.mapper.place import MappingError, shown
from models.machine.spec import MachineSpec
from models.network.graph import ConcatTokens, Constant, IntegerGraph, Reshape, SelectTokens
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution
from models.ops.pool import MaxPool
from models.ops.requantize import Requantize

__all__ = ["check_codes", "check_product", "code_range"]

_SYMMETRIC = (
    "quantise activations symmetrically and without -128, as rowmac quantise does "
    "(onnxruntime's ActivationSymmetric=True leaves the -128), or take a machine without row "
    "classes"
)


def code_range(graph: IntegerGraph, tensor: str) -> tuple[int, int]:
    """Return the range ``(low, high)`` of a tensor's codes."""
    makers = {node.output: node for node in graph.nodes}
    if tensor not in makers:
        kind = graph.tensors[tensor]
        return kind.low, kind.high
    node = makers[tensor]
    match node.operator:
        case Reshape() | SelectTokens() | MaxPool():
            return code_range(graph, node.inputs[0])
        case ConcatTokens():
            ends = [code_range(graph, name) for name in node.inputs]
            return min(low for low, _ in ends), max(high for _, high in ends)
        case Constant(codes=codes):
            return int(codes.min()), int(codes.max())
        case Convolution() | AttentionScores() | AttentionContext():
            return _requantised(node.operator.requantize)
        case Requantize():
            return _requantised(node.operator)
        case operator:
            return operator.low, operator.high


def _requantised(spec: Requantize) -> tuple[int, int]:
    if spec.table is not None:
        return int(spec.table.table.min()), int(spec.table.table.max())
    return spec.low, spec.high


def check_codes(
    graph: IntegerGraph, spec: MachineSpec, tensor: str, *, held: int | None = None
) -> None:
    """Check that a tensor's codes fit the activations of a machine with row classes.

    Parameters
    ----------
    held : int, optional
        Check them as weights in rows of this many bits instead, which exclude the lowest code.

    Raises
    ------
    MappingError
        If the operator that makes them can exceed the range.
    """
    if not spec.classes:
        return
    bits = spec.act_bits if held is None else held
    low, high = code_range(graph, tensor)
    least, most = int(held is not None) - (1 << bits - 1), (1 << bits - 1) - 1
    if low < least or high > most:
        way = "quantise to fewer bits, or take more act_bits" if held is None else _SYMMETRIC
        raise MappingError(
            f"codes of {shown(tensor)!r} must be {least} to {most} on this machine, "
            f"not {low} to {high}; {way}"
        )


def check_product(
    graph: IntegerGraph,
    spec: MachineSpec,
    tensors: Sequence[str],
    op: AttentionScores | AttentionContext,
) -> None:
    """Check both operands of a product of activations.

    With row classes their zero points must be 0: there is no static bias to fold them into.

    Raises
    ------
    MappingError
        If a zero point is not 0, or codes do not fit.
    """
    if not spec.classes:
        return
    if isinstance(op, AttentionScores):
        zeros = (op.query_zero, op.key_zero)
    else:
        zeros = (op.probability_zero, op.value_zero)
    if not spec.dynamic_rows:
        raise MappingError(
            f"products of two activations must have at least {spec.vector_lanes} fixed-point rows "
            f"to hold one of them, not {', '.join(map(str, spec.classes))}"
        )
    for tensor, zero in zip(tensors, zeros, strict=True):
        if zero:
            raise MappingError(
                f"zero point of {shown(tensor)!r} must be 0 in a product of two activations on a "
                f"machine with row classes, not {zero}; {_SYMMETRIC}"
            )
    check_codes(graph, spec, tensors[0])
    check_codes(graph, spec, tensors[1], held=spec.classes[0].book.bits)
