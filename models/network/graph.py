"""The integer graph: a quantised network as a list of integer operators, and its golden run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from models.numerics.quantized import TensorType
from models.numerics.rescale import Integers
from models.ops.add import Add, add
from models.ops.attention import (
    AttentionContext,
    AttentionScores,
    attention_context,
    attention_scores,
)
from models.ops.convolution import Convolution, convolution
from models.ops.layer_norm import LayerNorm, layer_norm
from models.ops.pool import AveragePool, MaxPool, average_pool, max_pool
from models.ops.requantize import Requantize, requantize
from models.ops.softmax import Softmax, softmax


@dataclass(frozen=True, kw_only=True, eq=False)
class Constant:
    """A tensor of the network file (class token, position embedding): codes of one image."""

    codes: Integers


@dataclass(frozen=True)
class ConcatTokens:
    """Join token lists ``[t_i, channels]`` in order; all on one grid."""


@dataclass(frozen=True)
class SelectTokens:
    """Tokens ``start`` to ``stop`` of ``[tokens, channels]`` (the class token: 0 to 1)."""

    start: int
    stop: int


@dataclass(frozen=True)
class Reshape:
    """Same codes in the same order, other shape (image rows to tokens and the like)."""

    shape: tuple[int, ...]


Operator: TypeAlias = (
    Convolution
    | AttentionScores
    | AttentionContext
    | LayerNorm
    | Softmax
    | Add
    | MaxPool
    | AveragePool
    | Requantize
    | Constant
    | ConcatTokens
    | SelectTokens
    | Reshape
)


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operator: names of the tensors it reads and the one it writes.

    ``name`` is what people know it by (the node's name in the network file).
    """

    name: str
    operator: Operator
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, kw_only=True)
class IntegerGraph:
    """A network of integer operators in execution order.

    Parameters
    ----------
    input, output : str
        Names of the input and output tensor.
    tensors : dict of str to TensorType
        Every tensor, the input's included.
    nodes : tuple of Node
    """

    name: str
    input: str
    output: str
    tensors: Mapping[str, TensorType]
    nodes: tuple[Node, ...] = field(repr=False)

    def __post_init__(self) -> None:
        known = {self.input}
        for node in self.nodes:
            for tensor in node.inputs:
                if tensor not in known:
                    raise ValueError(f"tensor {tensor!r} of {node.name!r} must be made before use")
            if node.output in known:
                raise ValueError(f"tensor {node.output!r} must be made once, not twice")
            if node.output not in self.tensors:
                raise ValueError(f"tensor {node.output!r} must have a type")
            known.add(node.output)
        if self.output not in known:
            raise ValueError(f"output tensor {self.output!r} must be made by a node")


def run_graph(
    graph: IntegerGraph,
    codes: ArrayLike,
    keep: Callable[[str, Integers], None] | None = None,
) -> Integers:
    """Golden run of a whole network.

    Parameters
    ----------
    codes : int array [n, *input shape]
        Quantised images.
    keep : function of (tensor name, codes [n, *shape]), optional
        Called with every tensor as it is made.

    Returns
    -------
    int64 array [n, *output shape].

    Raises
    ------
    ValueError
        If the input's shape is not the network's, or an operator yields another shape than its
        tensor's type says.
    OverflowError
        If a code leaves its type.
    """
    value = np.asarray(codes, dtype=np.int64)
    expected = graph.tensors[graph.input].shape
    if value.shape[1:] != expected:
        raise ValueError(f"input must be [images, {expected}], not {value.shape}")
    last_use = {t: i for i, node in enumerate(graph.nodes) for t in node.inputs}
    values: dict[str, Integers] = {graph.input: value}
    for index, node in enumerate(graph.nodes):
        result = run_operator(node.operator, *(values[t] for t in node.inputs), images=len(value))
        kind = graph.tensors[node.output]
        if result.shape[1:] != kind.shape:
            raise ValueError(f"{node.name!r} must yield {kind.shape}, not {result.shape[1:]}")
        if result.size and (result.min() < kind.low or result.max() > kind.high):
            raise OverflowError(f"{node.name!r} must yield {kind.bits}-bit codes")
        values[node.output] = result
        if keep is not None:
            keep(node.output, result)
        for tensor in node.inputs:
            if last_use[tensor] == index and tensor != graph.output:
                values.pop(tensor, None)
    return values[graph.output]


def run_operator(operator: Operator, *inputs: Integers, images: int = 1) -> Integers:
    """Golden of one operator on ``[n, ...]`` inputs."""
    match operator:
        case Convolution():
            return _as_image(inputs[0], lambda x: convolution(x, operator))
        case AttentionScores():
            return attention_scores(inputs[0], inputs[1], operator)
        case AttentionContext():
            return attention_context(inputs[0], inputs[1], operator)
        case LayerNorm():
            return layer_norm(inputs[0], operator)
        case Softmax():
            return softmax(inputs[0], operator)
        case Add():
            return add(inputs[0], inputs[1], operator)
        case MaxPool():
            return max_pool(inputs[0], operator)
        case AveragePool():
            return average_pool(inputs[0], operator)
        case Requantize():
            return requantize(inputs[0], operator)
        case Constant():
            codes = np.asarray(operator.codes, dtype=np.int64)
            return np.broadcast_to(codes, (images, *codes.shape))
        case ConcatTokens():
            return np.concatenate(inputs, axis=1)
        case SelectTokens():
            return inputs[0][:, operator.start : operator.stop]
        case Reshape():
            return inputs[0].reshape(len(inputs[0]), *operator.shape)


def _as_image(x: Integers, operator: Callable[[Integers], Integers]) -> Integers:
    """Run an image operator on ``[n, tokens, channels]`` as one row of pixels."""
    if x.ndim == 4:
        return operator(x)
    return operator(x[:, None])[:, 0]
