"""Small files for each form of writing quantisers, codes and shapes, against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from flows.onnx_import import load_network
from models.ops.requantize import Requantize
from tests.support.onnx_files import IMAGE, UINT8, OnnxFile, compare, only


def test_input_that_is_codes_already(tmp_path: Path) -> None:
    file = OnnxFile(kind=UINT8)
    grid = file.const(0.05), file.const(100, np.uint8)
    x = file.add("DequantizeLinear", "image", *grid)
    x = file.add("MatMul", x, file.weights((8, 6)))
    graph = load_network(file.save(tmp_path, file.quantise(x)))
    kind = graph.tensors[graph.input]
    assert kind.scale == pytest.approx(0.05)
    assert kind.zero_point == -28


@pytest.mark.parametrize("function", [None, "Relu", "Sigmoid"])
def test_factor_after_the_last_quantiser(tmp_path: Path, function: str | None) -> None:
    file = OnnxFile()
    x = file.add("MatMul", file.quantise("image"), file.weights((8, 6)))
    x = file.quantise(x if function is None else file.add(function, x), 0.01)
    steps, graph = compare(file.save(tmp_path, file.add("Mul", x, file.const(2.5))))
    assert steps <= 1
    assert graph.tensors[graph.output].scale == pytest.approx(0.025)


def test_quantisers_without_a_zero_point(tmp_path: Path) -> None:
    """Left out it is 0, of the type that was written: uint8 by default."""
    file = OnnxFile(opset=21)
    scale = file.const(0.03)
    image = file.add("Abs", file.quantise("image"))
    codes = file.add("QuantizeLinear", image, scale)
    codes = file.add("Reshape", codes, file.const([1, 8, 4], np.int64))
    x = file.add("MatMul", file.add("DequantizeLinear", codes, scale), file.weights((4, 6)))
    y = file.const(0.1)
    x = file.add("QuantizeLinear", x, y, file.const(0, np.int8))
    steps, graph = compare(file.save(tmp_path, file.add("DequantizeLinear", x, y)))
    assert steps <= 1
    assert graph.tensors[graph.output].zero_point == 0


def test_much_coarser_quantiser_is_kept(tmp_path: Path) -> None:
    file = OnnxFile()
    x = file.quantise(file.quantise("image", 0.0213), 0.37)
    steps, graph = compare(
        file.save(tmp_path, file.quantise(file.add("MatMul", x, file.weights((8, 6))), 0.1))
    )
    assert steps <= 1
    assert only(graph, Requantize).table is None


def test_old_operator_set_is_converted(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 8), opset=10, code=np.uint8)
    codes = file.const(np.random.default_rng(0).integers(0, 256, (8, 5)), np.uint8)
    weights = file.add("DequantizeLinear", codes, file.const(0.02), file.const(128, np.uint8))
    x = file.add("MatMul", file.quantise("image", zero=128), weights)
    path = file.save(tmp_path, file.quantise(x, zero=128))
    assert onnx.load(path).opset_import[0].version == 10
    steps, _ = compare(path)
    assert steps <= 1


def test_shape_computed_in_the_file(tmp_path: Path) -> None:
    """What exporters write for ``x.view(x.shape[0], -1)``."""
    file = OnnxFile(shape=IMAGE)
    x = file.quantise("image")
    size = file.add("Gather", file.add("Shape", x), file.const(0, np.int64), axis=0)
    size = file.add("Unsqueeze", size, file.const([0], np.int64))
    target = file.add("Concat", size, file.const([-1], np.int64), axis=0)
    x = file.add("Gemm", file.add("Reshape", x, target), file.weights((189, 4)))
    steps, graph = compare(file.save(tmp_path, file.quantise(x)))
    assert steps <= 1
    assert graph.tensors[graph.output].shape == (1, 4)
