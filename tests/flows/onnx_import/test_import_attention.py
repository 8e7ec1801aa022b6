"""Small files for each form of writing attention and LayerNorm, against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.ops.layer_norm import LayerNorm
from tests.support.onnx_files import TOKENS, OnnxFile, compare, only


@pytest.mark.parametrize("power", ["Pow", "Mul"])
@pytest.mark.parametrize("divide", ["Div", "Reciprocal"])
def test_decomposed_layer_normalisation(tmp_path: Path, power: str, divide: str) -> None:
    file = OnnxFile(opset=13)
    x = file.quantise("image", 0.03, 10)
    centre = file.add("Sub", x, file.add("ReduceMean", x, axes=[-1]))
    square = file.add(power, centre, file.const(2.0) if power == "Pow" else centre)
    spread = file.add("Add", file.add("ReduceMean", square, axes=[-1]), file.const(1e-5))
    root = file.add("Sqrt", spread)
    if divide == "Div":
        y = file.add("Div", centre, root)
    else:
        y = file.add("Mul", centre, file.add("Reciprocal", root))
    y = file.add("Mul", y, file.const(np.linspace(0.5, 1.5, 8)))
    y = file.add("Add", y, file.const(np.linspace(-1, 1, 8)))
    steps, graph = compare(file.save(tmp_path, file.quantise(y, 0.03)))
    assert steps <= 2
    assert only(graph, LayerNorm)
    assert len(graph.nodes) == 1


def test_attention_whose_channels_lie_head_by_head(tmp_path: Path) -> None:
    """q, k, v of one head side by side: the rows of the linear layer are taken apart."""
    heads, width, tokens = 2, 4, 6
    file = OnnxFile(shape=TOKENS)
    x = file.quantise(file.add("MatMul", file.quantise("image"), file.weights((8, 24))))
    x = file.add("Reshape", x, file.const([1, tokens, heads, 3 * width], np.int64))
    x = file.add("Transpose", x, perm=[0, 2, 1, 3])
    q, k, v = file.add("Split", x, file.const([width] * 3, np.int64), outputs=3, axis=3)
    scores = file.add("MatMul", q, file.add("Transpose", k, perm=[0, 1, 3, 2]))
    scores = file.quantise(file.add("Div", scores, file.const(2.0)))
    shares = file.quantise(file.add("Softmax", scores), 1 / 255, -128)
    y = file.quantise(file.add("MatMul", shares, v), 0.02)
    y = file.add(
        "Reshape", file.add("Transpose", y, perm=[0, 2, 1, 3]), file.const([1, 6, -1], np.int64)
    )
    y = file.quantise(file.add("MatMul", y, file.weights((8, 8), seed=1)), 0.03)
    steps, graph = compare(file.save(tmp_path, y))
    assert steps <= 3
    assert [type(n.operator).__name__ for n in graph.nodes].count("Convolution") == 4


def test_attention_without_quantiser_after_softmax_and_one_head(tmp_path: Path) -> None:
    file = OnnxFile(shape=TOKENS)
    x = file.quantise("image")
    scores = file.quantise(file.add("MatMul", x, file.add("Transpose", x, perm=[0, 2, 1])), 0.2)
    y = file.quantise(file.add("MatMul", file.add("Softmax", scores), x), 0.03)
    steps, _ = compare(file.save(tmp_path, y))
    assert steps <= 3
