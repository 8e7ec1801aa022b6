"""Small files for each form of writing functions, sums, pooling and means, against onnxruntime."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.ops.add import Add
from models.ops.convolution import Convolution
from models.ops.requantize import Requantize
from tests.support.onnx_files import IMAGE, TOKENS, OnnxFile, compare, only


def test_function_without_a_quantiser_before_it_becomes_a_fine_table(tmp_path: Path) -> None:
    for opset, kind in ((20, "Gelu"), (17, "Sigmoid"), (17, "Tanh")):
        file = OnnxFile(opset=opset)
        x = file.add("MatMul", file.quantise("image"), file.weights((8, 6)))
        grid = (0.03, -110) if kind == "Gelu" else (1 / 127, 0)
        steps, graph = compare(file.save(tmp_path, file.quantise(file.add(kind, x), *grid)))
        assert steps <= 2
        table = only(graph, Convolution).requantize.table
    assert table is not None
    assert len(table.table) == 1024


def test_decomposed_gelu_without_any_quantiser_inside(tmp_path: Path) -> None:
    file = OnnxFile()
    x = file.add("MatMul", file.quantise("image"), file.weights((8, 6)))
    x = file.add("Add", x, file.const(np.linspace(-1, 1, 6)))
    inner = file.add("Erf", file.add("Div", x, file.const(math.sqrt(2))))
    y = file.add("Mul", x, file.add("Add", inner, file.const(1.0)))
    y = file.add("Mul", y, file.const(0.5))
    steps, graph = compare(file.save(tmp_path, file.quantise(y, 0.03, -110)))
    assert steps <= 2
    assert len(graph.nodes) == 1


def test_function_of_codes_with_two_readers_stays_apart(tmp_path: Path) -> None:
    file = OnnxFile()
    x = file.quantise(file.add("MatMul", file.quantise("image"), file.weights((8, 8))))
    y = file.quantise(file.add("Sigmoid", x), 1 / 255, -128)
    y = file.quantise(file.add("MatMul", y, file.weights((8, 8), seed=1)))
    steps, graph = compare(file.save(tmp_path, file.quantise(file.add("Add", x, y))))
    assert steps <= 1
    table = only(graph, Requantize).table
    assert table is not None
    assert len(table.table) == 256


def test_sum_of_a_tensor_and_its_function_is_a_function(tmp_path: Path) -> None:
    file = OnnxFile()
    x = file.quantise(file.add("MatMul", file.quantise("image"), file.weights((8, 8))))
    y = file.quantise(file.add("Sigmoid", x), 1 / 255, -128)
    steps, graph = compare(file.save(tmp_path, file.quantise(file.add("Add", x, y))))
    assert steps <= 1
    assert len(graph.nodes) == 1


def test_relu_is_a_clamp_and_negative_gain_turns_the_weights(tmp_path: Path) -> None:
    file = OnnxFile(shape=IMAGE)
    x = file.add("Conv", file.quantise("image"), file.weights((4, 3, 3, 3), axis=0))
    x = file.add("Mul", x, file.const(np.array([1, -1, 0.5, -2.0])[:, None, None]))
    steps, graph = compare(file.save(tmp_path, file.quantise(file.add("Relu", x), 0.05, -100)))
    assert steps <= 1
    assert only(graph, Convolution).requantize.low == -100


def test_subtraction_and_sum_on_two_grids(tmp_path: Path) -> None:
    file = OnnxFile()
    x = file.quantise("image")
    y = file.quantise(file.add("MatMul", x, file.weights((8, 8))), 0.07, -9)
    steps, graph = compare(file.save(tmp_path, file.quantise(file.add("Sub", x, y), 0.08, 4)))
    assert steps <= 1
    assert only(graph, Add).b_multiplier < 0


def test_sum_of_an_image_and_its_transposed_tokens(tmp_path: Path) -> None:
    """The two operands lie in different orders in memory; the sum must not notice."""
    file = OnnxFile(shape=IMAGE)
    x = file.quantise("image")
    rows = file.add("Reshape", x, file.const([1, 3, 63], np.int64))
    tokens = file.add("Transpose", rows, perm=[0, 2, 1])
    y = file.quantise(file.add("MatMul", tokens, file.weights((3, 3))), 0.02)
    back = file.add("Transpose", y, perm=[0, 2, 1])
    back = file.add("Reshape", back, file.const([1, 3, 9, 7], np.int64))
    steps, _ = compare(file.save(tmp_path, file.quantise(file.add("Add", x, back))))
    assert steps <= 1


@pytest.mark.parametrize("counted", [0, 1])
def test_pooling(tmp_path: Path, counted: int) -> None:
    file = OnnxFile(shape=IMAGE)
    x = file.quantise("image", 0.04, 20)
    window: dict[str, Any] = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}
    x = file.add("MaxPool", x, **window)
    x = file.add("AveragePool", x, count_include_pad=counted, **window)
    steps, _ = compare(file.save(tmp_path, file.quantise(x, 0.03, 20)))
    assert steps <= 1


@pytest.mark.parametrize(
    ("shape", "order", "axes"),
    [(IMAGE, None, [2, 3]), (IMAGE, [0, 2, 3, 1], [1, 2]), (TOKENS, None, [1])],
    ids=["image", "channels-last", "tokens"],
)
@pytest.mark.parametrize("keep", [0, 1])
def test_mean(
    tmp_path: Path, shape: tuple[int, ...], order: list[int] | None, axes: list[int], keep: int
) -> None:
    file = OnnxFile(shape=shape)
    x = file.quantise("image", 0.04, 20)
    if order:
        x = file.add("Transpose", x, perm=order)
    x = file.add("ReduceMean", x, axes=axes, keepdims=keep)
    x = file.quantise(x, 0.01, 4)
    x = file.add("Reshape", x, file.const([1, -1], np.int64))
    x = file.quantise(file.add("MatMul", x, file.weights((shape[1 if len(shape) == 4 else 2], 4))))
    steps, graph = compare(file.save(tmp_path, x), count=32)
    assert steps <= 1
    assert graph.tensors[graph.output].shape == (1, 4)
