"""Whether an imported network says what its file says.

The oracle is onnxruntime with its optimisations off. Its sums are float32, and where a number lies
between two codes it may take the other one; behind that, later layers may make more of the one code
than it was. So the bound is not a fixed number but the network's own conditioning: no output may be
further off than one code more than what it changes by when codes inside the network are moved by
one (one in twenty of them; every one in a network with softmax, layer normalisation or numbers that
the file keeps float).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.import_fuzz.quantised import session
from flows.onnx_import import load_network
from models.network.graph import (
    ConcatTokens,
    Constant,
    IntegerGraph,
    Operator,
    Reshape,
    SelectTokens,
    run_graph,
    run_operator,
)
from models.numerics.rescale import Integers
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution
from models.ops.requantize import lookup

__all__ = ["Verdict", "compare", "images_for", "invalid"]

ROUNDS = 6
"""Noisy runs whose largest change is taken."""
SHARE = 0.05
"""Codes that are moved in a network of exact operators."""
_VIEWS = (ConcatTokens, Constant, Reshape, SelectTokens)


@dataclass(frozen=True)
class Verdict:
    """How far a network is from its file.

    ``steps`` is the largest difference in output codes, ``excess`` what of it is beyond the bound.
    """

    steps: float
    excess: float


def images_for(model: onnx.ModelProto, count: int, seed: int) -> NDArray[np.generic]:
    """Random inputs of the file's type."""
    kind = model.graph.input[0].type.tensor_type
    shape = tuple(d.dim_value or 1 for d in kind.shape.dim)
    rng = np.random.default_rng([seed, 7])
    if kind.elem_type == onnx.TensorProto.FLOAT:
        return rng.normal(0, 1, (count, *shape[1:])).astype(np.float32)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, (count, *shape[1:])).astype(dtype)


def invalid(path: Path) -> bool | None:
    """Whether onnxruntime refuses a file; None where it only lacks a kernel for it."""
    try:
        session(str(path))
    except Exception as error:  # onnxruntime's errors have no class in common
        lacking = "NOT_IMPLEMENTED" in str(error) or "NotImplemented" in type(error).__name__
        return None if lacking else True
    return False


def compare(path: Path, images: NDArray[np.generic], *, soft: bool, seed: int) -> Verdict | None:
    """Run a file both ways; None where onnxruntime has no finite answer.

    Raises
    ------
    NetworkError
        If the importer refuses the file.
    """
    graph = load_network(path)
    entry, kind = graph.tensors[graph.input], graph.tensors[graph.output]
    run = session(str(path))
    name = run.get_inputs()[0].name
    want = np.concatenate([run.run(None, {name: image[None]})[0] for image in images])
    want = want.astype(np.float64)
    if not np.all(np.isfinite(want)):
        return None
    if kind.host != "float32":
        offset = 128 if kind.host == "uint8" else 0
        want = (want - offset - kind.zero_point) * kind.scale
    given = images.transpose(0, 2, 3, 1) if images.ndim == 4 else images
    codes = entry.codes_of(given.reshape(len(images), *entry.shape))
    got = kind.dequantize(run_graph(graph, codes))
    if want.ndim == 4:
        want = want.transpose(0, 2, 3, 1)
    if want.size != got.size:
        return Verdict(float("inf"), float("inf"))
    steps = np.abs(got.reshape(len(images), -1) - want.reshape(len(images), -1)) / kind.scale
    if steps.max() <= 1.01:
        return Verdict(float(steps.max()), 0.0)
    slack = _conditioning(graph, codes, 1.0 if soft else SHARE, seed)
    excess = steps - 1.01 - slack.reshape(len(images), -1)
    return Verdict(float(steps.max()), float(max(excess.max(), 0.0)))


def _conditioning(graph: IntegerGraph, codes: Integers, share: float, seed: int) -> Integers:
    """What moved codes inside change in every output code, at most over images and runs.

    The largest over a channel's positions: which of them meets a tie is chance.
    """
    plain = run_graph(graph, codes)
    rng = np.random.default_rng([seed, 11])
    worst = np.zeros_like(plain)
    for _ in range(ROUNDS):
        worst = np.maximum(worst, np.abs(_noisy(graph, codes, share, rng) - plain))
    return np.broadcast_to(2 * worst.max(axis=tuple(range(worst.ndim)), keepdims=True), plain.shape)


def _noisy(
    graph: IntegerGraph, codes: Integers, share: float, rng: np.random.Generator
) -> Integers:
    values = {graph.input: codes}
    for node in graph.nodes:
        inputs = [values[t] for t in node.inputs]
        made = _through(node.operator, inputs, len(codes), share, rng)
        if not isinstance(node.operator, _VIEWS) and node.output != graph.output:
            kind = graph.tensors[node.output]
            made = np.clip(_moved(made, share, rng), kind.low, kind.high)
        values[node.output] = made
    return values[graph.output]


def _through(
    operator: Operator,
    inputs: list[Integers],
    images: int,
    share: float,
    rng: np.random.Generator,
) -> Integers:
    """An operator's result; codes before its function's table are moved as well."""
    if not isinstance(operator, Convolution | AttentionScores | AttentionContext):
        return run_operator(operator, *inputs, images=images)
    spec = operator.requantize
    if spec.table is None:
        return run_operator(operator, *inputs, images=images)
    bare = replace(operator, requantize=replace(spec, table=None))
    return lookup(_moved(run_operator(bare, *inputs, images=images), share, rng), spec.table)


def _moved(codes: Integers, share: float, rng: np.random.Generator) -> Integers:
    signs: Integers = rng.integers(0, 2, codes.shape) * 2 - 1
    if rng.random() < 0.2:
        # Equal numbers meet the same tie: all of them go the same way.
        return np.asarray(codes + signs.flat[0])
    return np.asarray(codes + signs * (rng.random(codes.shape) < share))
