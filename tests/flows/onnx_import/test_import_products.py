"""Small files for each form of writing a layer with weights, against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.ops.convolution import Convolution
from tests.support.onnx_files import IMAGE, OnnxFile, compare, only


def test_gemm_with_both_transpositions_and_a_float_bias(tmp_path: Path) -> None:
    for transposed in (0, 1):
        file = OnnxFile(shape=(1, 8))
        shape = (5, 8) if transposed else (8, 5)
        weights = file.weights(shape, axis=1 - transposed)
        bias = file.const(np.linspace(-2, 2, 5))
        x = file.add("Gemm", file.quantise("image"), weights, bias, transB=transposed)
        steps, graph = compare(file.save(tmp_path, file.quantise(x)))
        assert steps <= 1
        assert len(graph.nodes) == 1


def test_bias_as_int32_codes(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 8))
    scale = 0.05 * 0.02
    bias = file.add(
        "DequantizeLinear", file.const(np.arange(-2500, 2500, 1000), np.int32), file.const(scale)
    )
    x = file.add("Gemm", file.quantise("image"), file.weights((8, 5)), bias)
    steps, graph = compare(file.save(tmp_path, file.quantise(x)))
    assert steps == 0
    assert only(graph, Convolution).requantize.bias.tolist() == [-2500, -1500, -500, 500, 1500]


def test_batch_normalisation_after_a_convolution_disappears(tmp_path: Path) -> None:
    file = OnnxFile(shape=IMAGE)
    rng = np.random.default_rng(1)
    numbers = [file.const(rng.uniform(0.5, 1.5, 4)) for _ in range(4)]
    x = file.add("Conv", file.quantise("image"), file.weights((4, 3, 3, 3)), pads=[1, 1, 1, 1])
    x = file.add("BatchNormalization", x, *numbers)
    steps, graph = compare(file.save(tmp_path, file.quantise(x)))
    assert steps <= 1
    assert len(graph.nodes) == 1


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding(tmp_path: Path, mode: str) -> None:
    file = OnnxFile(shape=IMAGE)
    x = file.quantise("image", 0.04, 30)
    x = file.add("Conv", x, file.weights((4, 3, 4, 3)), auto_pad=mode, strides=[2, 2])
    steps, _ = compare(file.save(tmp_path, file.quantise(x)))
    assert steps <= 1


def test_pad_goes_into_the_convolution(tmp_path: Path) -> None:
    file = OnnxFile(shape=IMAGE)
    pads = file.const([0, 0, 1, 2, 0, 0, 0, 1], np.int64)
    x = file.add("Pad", file.quantise("image", 0.05, 20), pads)
    x = file.add("Conv", x, file.weights((4, 3, 3, 3)), pads=[1, 0, 0, 0])
    steps, graph = compare(file.save(tmp_path, file.quantise(x)))
    assert steps <= 1
    assert only(graph, Convolution).padding == (2, 2, 0, 1)


def test_unsigned_codes_and_asymmetric_weights(tmp_path: Path) -> None:
    file = OnnxFile(code=np.uint8)
    rng = np.random.default_rng(3)
    codes = file.const(rng.integers(0, 256, (8, 6)), np.uint8)
    weights = file.add("DequantizeLinear", codes, file.const(0.02), file.const(100, np.uint8))
    x = file.add("MatMul", file.quantise("image", 0.04, 120), weights)
    steps, graph = compare(file.save(tmp_path, file.quantise(x, 0.1, 131)))
    assert steps <= 1
    assert graph.tensors[graph.input].zero_point == -8
    assert graph.tensors[graph.output].zero_point == 3


def test_weights_that_the_file_quantises_itself(tmp_path: Path) -> None:
    file = OnnxFile()
    real = file.const(np.random.default_rng(4).normal(0, 0.5, (8, 6)))
    x = file.add("MatMul", file.quantise("image"), file.quantise(real, 0.015))
    steps, graph = compare(file.save(tmp_path, file.quantise(x)))
    assert steps <= 1
    assert np.abs(only(graph, Convolution).weights).max() > 60


def test_weights_transposed_in_the_file(tmp_path: Path) -> None:
    file = OnnxFile()
    weights = file.add("Transpose", file.weights((6, 8), axis=0), perm=[1, 0])
    x = file.add("MatMul", file.quantise("image"), weights)
    steps, _ = compare(file.save(tmp_path, file.quantise(x)))
    assert steps == 0
