"""Operators between a QuantizeLinear and a DequantizeLinear act on integer codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from flows.onnx_import import NetworkError, load_network
from models.network.graph import IntegerGraph, run_graph
from models.ops.convolution import Convolution
from models.ops.pool import MaxPool
from models.ops.requantize import Requantize
from tests.support.onnx_files import UINT8, OnnxFile, compare, first_operator, only

IMAGE = (1, 3, 8, 8)


def weights(file: OnnxFile, shape: tuple[int, ...], seed: int = 0) -> str:
    """Scales in these files are such that hardly a sum lies between two codes."""
    return file.weights(shape, seed, scale=0.02071)


def convolved(file: OnnxFile, x: str, scale: float = 0.05133) -> str:
    """A 3x3 convolution to four channels, quantised."""
    return file.quantise(file.add("Conv", x, weights(file, (4, 3, 3, 3))), scale)


def exact(path: Path, most: float = 1) -> IntegerGraph:
    steps, graph = compare(path)
    assert steps <= most
    return graph


@pytest.mark.parametrize(("low", "high"), [(-8, 7), (-4, 3), (-2, 1), (-100, 20)])
def test_clip_of_codes_is_a_clip_of_integers(tmp_path: Path, low: int, high: int) -> None:
    """The QCDQ form of Brevitas: n-bit activations."""
    file = OnnxFile(shape=IMAGE)
    grid = file.const(0.2), file.const(0, np.int8)
    x = file.add("QuantizeLinear", "image", *grid)
    x = file.add("Clip", x, file.const(low, np.int8), file.const(high, np.int8))
    graph = exact(file.save(tmp_path, convolved(file, file.add("DequantizeLinear", x, *grid))), 0)
    clip = only(graph, Requantize)
    assert (clip.low, clip.high) == (low, high)


def test_clip_of_codes_behind_a_layer_costs_nothing(tmp_path: Path) -> None:
    file = OnnxFile(shape=IMAGE)
    x = file.add("Conv", file.quantise("image", 0.04973), weights(file, (3, 3, 1, 1)), name="first")
    grid = file.const(0.5117), file.const(0, np.int8)
    x = file.add("QuantizeLinear", x, *grid)
    x = file.add("Clip", x, file.const(-4, np.int8), file.const(3, np.int8))
    graph = exact(file.save(tmp_path, convolved(file, file.add("DequantizeLinear", x, *grid))))
    assert [type(n.operator).__name__ for n in graph.nodes] == ["Convolution", "Convolution"]
    first = first_operator(graph, Convolution).requantize
    assert (first.low, first.high) == (-4, 3)


def test_clip_of_codes_behind_a_function_keeps_its_grid(tmp_path: Path) -> None:
    file = OnnxFile(shape=IMAGE)
    x = file.add("Conv", file.quantise("image", 0.04973), weights(file, (3, 3, 1, 1)))
    x = file.add("Tanh", file.quantise(x, 0.1))
    grid = file.const(0.3031), file.const(1, np.int8)
    x = file.add("QuantizeLinear", x, *grid)
    x = file.add("Clip", x, file.const(-1, np.int8), file.const(2, np.int8))
    exact(file.save(tmp_path, convolved(file, file.add("DequantizeLinear", x, *grid))))


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_weights_clipped_as_codes(tmp_path: Path, bits: int) -> None:
    file = OnnxFile(shape=IMAGE)
    most = (1 << bits - 1) - 1
    grid = file.const(np.full(4, 0.3)), file.const(np.zeros(4), np.int8)
    real = file.const(np.random.default_rng(0).normal(0, 1, (4, 3, 3, 3)))
    codes = file.add("QuantizeLinear", real, *grid, axis=0)
    codes = file.add("Clip", codes, file.const(-most, np.int8), file.const(most, np.int8))
    held = file.add("DequantizeLinear", codes, *grid, axis=0)
    x = file.add("Conv", file.quantise("image", 0.04973), held)
    graph = exact(file.save(tmp_path, file.quantise(x, 0.1)))
    assert np.abs(first_operator(graph, Convolution).weights).max() == most


def test_weights_through_two_scales_are_worth_the_second(tmp_path: Path) -> None:
    file = OnnxFile(shape=IMAGE)
    real = file.const(np.random.default_rng(0).normal(0, 0.3, (4, 3, 3, 3)))
    codes = file.add("QuantizeLinear", real, file.const(0.01), file.const(0, np.int8))
    held = file.add("DequantizeLinear", codes, file.const(0.02), file.const(0, np.int8))
    exact(
        file.save(
            tmp_path, file.quantise(file.add("Conv", file.quantise("image", 0.04973), held), 0.1)
        )
    )


@pytest.mark.parametrize("code", [np.int8, np.uint8])
@pytest.mark.parametrize("zero", [0, 7])
def test_codes_cast_to_float_are_numbers(tmp_path: Path, code: type[np.integer], zero: int) -> None:
    """A dequantiser written out: cast, subtract, multiply."""
    file = OnnxFile(shape=IMAGE, code=code)
    x = file.add("QuantizeLinear", "image", file.const(0.03011), file.const(zero, code))
    x = file.add("Cast", x, to=TensorProto.FLOAT)
    x = file.add("Mul", file.add("Sub", x, file.const(zero)), file.const(0.03011))
    exact(file.save(tmp_path, convolved(file, x)))


def test_codes_cast_to_another_integer_type_are_refused(tmp_path: Path) -> None:
    file = OnnxFile(shape=IMAGE)
    x = file.add("QuantizeLinear", "image", file.const(0.03011), file.const(0, np.int8))
    x = file.add("Cast", x, to=TensorProto.INT32, name="wide")
    x = file.add("Cast", x, to=TensorProto.FLOAT)
    path = file.save(tmp_path, convolved(file, x))
    with pytest.raises(NetworkError, match="target of Cast 'wide' must be a float type for int8"):
        load_network(path)


@pytest.mark.parametrize("zeros", [(0, 0), (3, -20)])
def test_pool_of_codes_on_another_grid_behind_it(tmp_path: Path, zeros: tuple[int, ...]) -> None:
    """The closing dequantiser says what codes are worth, whatever they were written on."""
    file = OnnxFile(shape=IMAGE)
    x = file.add("QuantizeLinear", "image", file.const(0.05), file.const(zeros[0], np.int8))
    x = file.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = file.add("DequantizeLinear", x, file.const(0.1), file.const(zeros[1], np.int8))
    graph = exact(file.save(tmp_path, convolved(file, x, 0.2)))
    only(graph, MaxPool)


def test_codes_of_two_grids_joined(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    x = file.quantise("image", 0.03011)
    parts = []
    for seed, scale, zero in ((1, 0.05113, 0), (2, 0.02017, 9)):
        y = file.add("MatMul", x, weights(file, (8, 8), seed))
        parts.append(file.add("QuantizeLinear", y, file.const(scale), file.const(zero, np.int8)))
    x = file.add("Concat", *parts, axis=1)
    x = file.add("DequantizeLinear", x, file.const(0.05113), file.const(0, np.int8))
    x = file.add("MatMul", x, weights(file, (8, 5)))
    exact(file.save(tmp_path, file.quantise(x)))


@pytest.mark.parametrize("axes", [False, True])
def test_codes_padded_with_their_zero_point(tmp_path: Path, axes: bool) -> None:
    file = OnnxFile(shape=IMAGE, opset=18)
    grid = file.const(0.03011), file.const(-40, np.int8)
    x = file.add("QuantizeLinear", "image", *grid)
    numbers = [[1, 1, 1, 1], [2, 3]] if axes else [[0, 0, 1, 1, 0, 0, 1, 1]]
    pads, *rest = (file.const(n, np.int64) for n in numbers)
    x = file.add("Pad", x, pads, file.const(-40, np.int8), *rest)
    exact(file.save(tmp_path, convolved(file, file.add("DequantizeLinear", x, *grid))), 0)


def test_codes_padded_with_something_else_are_refused(tmp_path: Path) -> None:
    file = OnnxFile(shape=IMAGE)
    grid = file.const(0.03011), file.const(-40, np.int8)
    x = file.add("QuantizeLinear", "image", *grid)
    x = file.add("Pad", x, file.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), name="border")
    path = file.save(tmp_path, convolved(file, file.add("DequantizeLinear", x, *grid)))
    with pytest.raises(NetworkError) as caught:
        load_network(path)
    assert str(caught.value) == (
        "value of Pad 'border' must be the zero point -40 of its codes, not 0"
    )


@pytest.mark.parametrize("kind", ["Relu", "Max", "Min"])
def test_bounds_of_codes(tmp_path: Path, kind: str) -> None:
    file = OnnxFile(shape=IMAGE)
    grid = file.const(0.03011), file.const(-10, np.int8)
    x = file.add("QuantizeLinear", "image", *grid)
    rest = [] if kind == "Relu" else [file.const(15, np.int8)]
    x = file.add(kind, x, *rest)
    exact(file.save(tmp_path, convolved(file, file.add("DequantizeLinear", x, *grid))), 0)


@pytest.mark.parametrize("kind", ["Abs", "Neg", "Add"])
def test_arithmetic_on_codes_is_refused(tmp_path: Path, kind: str) -> None:
    file = OnnxFile(shape=IMAGE)
    grid = file.const(0.03011), file.const(0, np.int8)
    x = file.add("QuantizeLinear", "image", *grid)
    x = file.add(kind, x, *([x] if kind == "Add" else []), name="inside")
    path = file.save(tmp_path, convolved(file, file.add("DequantizeLinear", x, *grid)))
    with pytest.raises(NetworkError) as caught:
        load_network(path)
    assert str(caught.value) == (
        f"input of {kind} 'inside' must be real numbers, not int8 codes: put a DequantizeLinear "
        "before it"
    )


@pytest.mark.parametrize("named", [TensorProto.INT8, TensorProto.UINT8, 0])
def test_type_of_codes_without_a_zero_point(tmp_path: Path, named: int) -> None:
    """``output_dtype`` says it from operator set 21 on; else it is uint8."""
    file = OnnxFile(shape=IMAGE, opset=21)
    more: dict[str, Any] = {"output_dtype": named} if named else {}
    codes = file.add("QuantizeLinear", "image", file.const(0.03011), **more)
    x = file.add("DequantizeLinear", codes, file.const(0.03011))
    graph = exact(file.save(tmp_path, convolved(file, x)))
    zero = graph.tensors[graph.input].zero_point
    assert zero == (0 if named == TensorProto.INT8 else -128)


@pytest.mark.parametrize(("code", "low", "high"), [("INT4", -8, 7), ("UINT4", 0, 15)])
def test_four_bit_types(tmp_path: Path, code: str, low: int, high: int) -> None:
    file = OnnxFile(shape=IMAGE, opset=21)
    kind = getattr(TensorProto, code)
    x = file.add("Conv", file.quantise("image", 0.04973), weights(file, (3, 3, 1, 1)))
    codes = file.add("QuantizeLinear", x, file.const(0.4019), output_dtype=kind)
    x = file.add("DequantizeLinear", codes, file.const(0.4019))
    graph = exact(file.save(tmp_path, convolved(file, x)))
    first = first_operator(graph, Convolution).requantize
    assert (first.low, first.high) == (low, high)


@pytest.mark.parametrize("way", ["dequantised", "cast", "pooled"])
def test_input_that_is_codes(tmp_path: Path, way: str) -> None:
    """Pixels go in as they are; what they are worth the first DequantizeLinear says."""
    file = OnnxFile(shape=IMAGE, kind=UINT8)
    x = "image"
    if way == "pooled":
        x = file.add("MaxPool", x, kernel_shape=[2, 2])
    if way == "cast":
        x = file.add("Mul", file.add("Cast", x, to=TensorProto.FLOAT), file.const(1 / 64))
        x = file.quantise(x, 1 / 64, 0, np.uint8)
    else:
        x = file.add("DequantizeLinear", x, file.const(1 / 64), file.const(128, np.uint8))
    path = file.save(tmp_path, convolved(file, x, 0.1))
    graph = load_network(path)
    kind = graph.tensors[graph.input]
    assert kind.host == "uint8"
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8)).astype(np.uint8)
    got = run_graph(graph, kind.codes_of(pixels.transpose(0, 2, 3, 1)))
    result = graph.tensors[graph.output]
    want = run_onnx(path, pixels)
    steps = np.abs(result.dequantize(got).transpose(0, 3, 1, 2) - want) / result.scale
    assert want.std() > 5 * result.scale
    assert steps.max() <= 1.01


def test_output_that_is_codes(tmp_path: Path) -> None:
    file = OnnxFile(shape=IMAGE)
    x = file.add("Conv", file.quantise("image", 0.04973), weights(file, (4, 3, 3, 3)))
    codes = file.add("QuantizeLinear", x, file.const(0.05), file.const(100, np.uint8))
    path = file.save(tmp_path, codes, output_kind=UINT8)
    graph = load_network(path)
    result = graph.tensors[graph.output]
    assert (result.host, result.zero_point) == ("uint8", -28)
    images = np.random.default_rng(0).normal(0, 1, (4, 3, 8, 8)).astype(np.float32)
    got = run_graph(graph, graph.tensors[graph.input].quantize(images.transpose(0, 2, 3, 1)))
    want = run_onnx(path, images).astype(np.int64)
    assert np.abs(got.transpose(0, 3, 1, 2) + 128 - want).max() <= 1


def run_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options)
    return np.concatenate([session.run(None, {"image": image[None]})[0] for image in images])


def test_float8_codes_are_refused(tmp_path: Path) -> None:
    """Valid ONNX, whose numbers no integer is."""
    file = OnnxFile(shape=(1, 4, 8), opset=19)
    kind = TensorProto.FLOAT8E4M3FN
    tensor = onnx.helper.make_tensor("narrow", kind, (8, 6), np.linspace(-1, 1, 48))
    file.constants.append(tensor)
    held = file.add("DequantizeLinear", "narrow", file.const(0.02), name="eight")
    x = file.add("MatMul", file.quantise("image", 0.04973), held)
    path = file.save(tmp_path, file.quantise(x))
    with pytest.raises(NetworkError) as caught:
        load_network(path)
    assert "type of DequantizeLinear 'eight' must be int8 or uint8" in str(caught.value)
    assert "float8_e4m3fn" in str(caught.value)


@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_weights_of_more_than_eight_bits_are_refused(
    tmp_path: Path, kind: type[np.integer]
) -> None:
    file = OnnxFile(shape=(1, 4, 8), opset=21)
    codes = file.const(np.random.default_rng(0).integers(-3000, 3000, (8, 6)), kind)
    held = file.add("DequantizeLinear", codes, file.const(0.001))
    x = file.add("MatMul", file.quantise("image", 0.04973), held, name="layer")
    path = file.save(tmp_path, file.quantise(x))
    with pytest.raises(NetworkError, match="weights of MatMul 'layer' must be codes of at most 8"):
        load_network(path)


@pytest.mark.parametrize("zero", [0, 3, -128])
def test_constant_codes_stay_on_their_grid(tmp_path: Path, zero: int) -> None:
    """A position embedding kept as codes behind a DequantizeLinear: every code as in the file."""
    file = OnnxFile(shape=(1, 4, 8))
    codes = np.random.default_rng(1).integers(-128, 128, (1, 4, 8))
    place = file.add("DequantizeLinear", file.const(codes, np.int8), file.const(0.02),
                     file.const(zero, np.int8))  # fmt: skip
    x = file.quantise(file.add("Add", file.quantise("image", 0.03011), place), 0.05)
    exact(file.save(tmp_path, file.quantise(file.add("MatMul", x, weights(file, (8, 5))))), 0)
