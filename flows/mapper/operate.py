"""Emits one operator whose operands and result lie in the scratchpad."""

from __future__ import annotations

from collections.abc import Sequence

from flows.mapper import vector_ops
from flows.mapper.convolution_op import Image, convolution
from flows.mapper.emitter import Emitter
from flows.mapper.macro_layer import MacroLayer
from flows.mapper.matrix_ops import Work
from flows.mapper.place import Place
from models.network.graph import Operator
from models.ops.add import Add
from models.ops.convolution import Convolution
from models.ops.layer_norm import LayerNorm
from models.ops.pool import AveragePool, MaxPool
from models.ops.requantize import Requantize
from models.ops.softmax import Softmax

__all__ = ["operate"]


def operate(
    out: Emitter,
    op: Operator,
    images: Sequence[Image],
    target: Place,
    layer: MacroLayer | None = None,
) -> Work:
    """Emit an operator that makes lines of lines; ``layer`` of a convolution on a macro.

    Raises
    ------
    MappingError
        If it does not fit the machine.
    """
    source = images[0]
    match op:
        case Convolution():
            return convolution(out, out.spec, op, source, target, layer)
        case Requantize():
            vector_ops.requantize(out, op, source.place, target)
        case LayerNorm():
            vector_ops.layer_norm(out, op, source.place, target)
        case Softmax():
            vector_ops.softmax(out, op, source.place, target)
        case Add():
            vector_ops.add(out, op, source.place, images[1].place, target)
        case MaxPool() | AveragePool():
            vector_ops.pool(out, op, source.place, target, height=source.height, width=source.width)
        case _:
            raise TypeError(f"operator must make lines of lines, not be {type(op).__name__}")
    return Work(beats=0)
