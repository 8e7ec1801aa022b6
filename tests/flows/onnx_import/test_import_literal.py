"""Quantisers round and saturate where the file says; padding, dead channels and tables besides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.onnx_import import NetworkError, load_network
from models.ops.add import Add
from models.ops.convolution import Convolution
from models.ops.layer_norm import LayerNorm
from models.ops.pool import AveragePool
from models.ops.requantize import Requantize
from tests.support.onnx_files import OnnxFile, compare, first_operator, only

IMAGE = (1, 3, 8, 8)
PADS = [0, 0, 1, 1, 0, 0, 1, 1]


def image_file(scale: float = 0.03011, **more: Any) -> tuple[OnnxFile, str]:
    file = OnnxFile(shape=IMAGE, **more)
    return file, file.quantise("image", scale)


def conv(
    file: OnnxFile,
    x: str,
    shape: tuple[int, ...] = (4, 3, 3, 3),
    seed: int = 0,
    name: str | None = None,
) -> str:
    return file.add("Conv", x, file.weights(shape, seed, scale=0.02071), name=name)


def refusal(path: Path) -> str:
    with pytest.raises(NetworkError) as caught:
        load_network(path)
    return str(caught.value)


@pytest.mark.parametrize("offset", [2.0, [1.0, 2.0, -3.0, 0.4], [0.913, 2.177, -3.031, 0.4]])
@pytest.mark.parametrize("middle", [0.01, 0.05])
def test_saturation_before_an_offset(
    tmp_path: Path, offset: float | list[float], middle: float
) -> None:
    """Percentile calibration clips: an offset after it does not bring back what was cut off."""
    file, x = image_file()
    x = file.quantise(conv(file, x), middle)
    x = file.add("Add", x, file.const(np.reshape(offset, (1, -1, 1, 1))))
    steps, _ = compare(file.save(tmp_path, file.quantise(x, 0.0613)))
    assert steps <= 1


@pytest.mark.parametrize("gain", [2.0, [0.51, 2.07, -1.33, 0.4]])
def test_saturation_before_a_gain(tmp_path: Path, gain: float | list[float]) -> None:
    file, x = image_file()
    x = file.quantise(conv(file, x), 0.01)
    x = file.add("Mul", x, file.const(np.reshape(gain, (1, -1, 1, 1))))
    steps, _ = compare(file.save(tmp_path, file.quantise(x, 0.0213)))
    assert steps <= 1


@pytest.mark.parametrize("middle", [0.004, 0.013, 0.031])
def test_saturation_of_a_layer_norm_before_its_gain(tmp_path: Path, middle: float) -> None:
    file = OnnxFile(shape=(1, 5, 12), opset=17)
    ones, zeros = file.const(np.ones(12)), file.const(np.zeros(12))
    x = file.add("LayerNormalization", file.quantise("image", 0.03011), ones, zeros, axis=-1)
    x = file.quantise(x, middle)
    gains = np.random.default_rng(1).uniform(0.4, 1.6, 12)
    x = file.quantise(file.add("Mul", x, file.const(gains)), 0.0313)
    steps, graph = compare(file.save(tmp_path, x))
    only(graph, LayerNorm)
    assert steps <= 2  # the integer root and what a code of its result becomes by the gain


@pytest.mark.parametrize("scales", [(0.02, 0.0213), (0.02, 0.013), (0.0213, 0.37), (0.02, 0.002)])
def test_second_quantiser_rounds_and_saturates_again(
    tmp_path: Path, scales: tuple[float, ...]
) -> None:
    file, x = image_file(scales[0])
    x = file.quantise(x, scales[1])
    steps, graph = compare(file.save(tmp_path, file.quantise(conv(file, x), 0.0513)))
    only(graph, Requantize)
    assert steps <= 1


def test_quantiser_on_its_inputs_own_grid_is_nothing(tmp_path: Path) -> None:
    file, x = image_file()
    _, graph = compare(file.save(tmp_path, file.quantise(conv(file, file.quantise(x, 0.03011)))))
    assert len(graph.nodes) == 1


def test_offsets_kept_as_codes_are_one_added_row(tmp_path: Path) -> None:
    """What onnxruntime writes for a linear layer of an unprepared file."""
    file = OnnxFile(shape=(1, 5, 8))
    x = file.add("MatMul", file.quantise("image", 0.03011), file.weights((8, 6), scale=0.02071))
    x = file.quantise(x, 0.0313)
    codes = file.const(np.arange(-90, 90, 30), np.int8)
    row = file.add("DequantizeLinear", codes, file.const(0.0077), file.const(0, np.int8))
    steps, graph = compare(file.save(tmp_path, file.quantise(file.add("Add", x, row), 0.0291)))
    assert steps <= 1
    assert isinstance(only(graph, Add), Add)
    (constant,) = (n for n in graph.nodes if not n.inputs)
    assert graph.tensors[constant.output].shape == (1, 6)


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (["Add"], "not by Add 'after', which makes the border 2"),
        (["BatchNormalization"], "which makes the border 3"),
        (["Sigmoid"], "not by Sigmoid 'after', which makes the border 0.5"),
        (["Clip"], "not by Clip 'after', which makes the border 1"),
        (["GlobalAveragePool"], "a Pad must be followed by a Conv, not by GlobalAveragePool"),
        (["Transpose"], "a Pad must be followed by a Conv, not by Transpose"),
    ],
)
def test_padding_before_what_changes_its_border(
    tmp_path: Path, kinds: list[str], said: str
) -> None:
    file, x = image_file()
    x = file.add("Pad", file.quantise(conv(file, x), 0.1), file.const(PADS, np.int64))
    rest = {
        "Add": [file.const(np.full((1, 4, 1, 1), 2.0))],
        "BatchNormalization": [file.const(n) for n in ([1.0] * 4, [3.0] * 4, [0.0] * 4, [1.0] * 4)],
        "Clip": [file.const(1.0), file.const(6.0)],
    }
    for kind in kinds:
        x = file.add(kind, x, *rest.get(kind, []), name="after")
    path = file.save(tmp_path, file.quantise(x, 0.1))
    assert said in refusal(path)


@pytest.mark.parametrize("between", [[], ["Relu"], ["Tanh"], ["Mul"], ["Mul", "LeakyRelu"]])
def test_padding_through_what_keeps_its_border(tmp_path: Path, between: list[str]) -> None:
    file, x = image_file()
    x = file.add("Pad", file.quantise(conv(file, x), 0.0613), file.const(PADS, np.int64))
    for kind in between:
        gains = [file.const(np.reshape([0.5, 1.5, -1, 2], (1, 4, 1, 1)))] if kind == "Mul" else []
        x = file.quantise(file.add(kind, x, *gains), 0.0471)
    path = file.save(tmp_path, file.quantise(conv(file, x, (4, 4, 3, 3), 1), 0.0913))
    steps, graph = compare(path)
    assert steps <= 3  # a code between two numbers before the last layer
    assert graph.tensors[graph.output].shape == (6, 6, 4)


def test_padding_before_a_max_pool_of_positive_numbers(tmp_path: Path) -> None:
    file, x = image_file()
    x = file.add("Relu", file.quantise(conv(file, x), 0.0513))
    x = file.add("Pad", x, file.const(PADS, np.int64))
    x = file.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    steps, graph = compare(file.save(tmp_path, file.quantise(x, 0.0513)))
    assert steps <= 1
    assert graph.tensors[graph.output].shape == (3, 3, 4)


def test_padding_before_a_max_pool_of_signed_numbers_is_refused(tmp_path: Path) -> None:
    file, x = image_file()
    x = file.add("Pad", file.quantise(conv(file, x), 0.05), file.const(PADS, np.int64))
    x = file.add("MaxPool", x, kernel_shape=[3, 3], name="pool")
    assert "a Pad before MaxPool 'pool' must be around numbers that are not negative" in refusal(
        file.save(tmp_path, file.quantise(x, 0.05))
    )


def test_padding_before_an_average_pool_counts(tmp_path: Path) -> None:
    file, x = image_file()
    x = file.add("Pad", file.quantise(conv(file, x), 0.0513), file.const(PADS, np.int64))
    x = file.add("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2])
    steps, graph = compare(file.save(tmp_path, file.quantise(x, 0.0313)))
    assert steps <= 1
    assert only(graph, AveragePool).count_padding


@pytest.mark.parametrize("weight_scale", [1e-4, 1e-6, 1e-7, 1e-9, 1e-12, 0.0])
@pytest.mark.parametrize("bias", [0.0, 0.5, -40.0])
@pytest.mark.parametrize(
    ("function", "scale", "attributes"),
    [
        ("Relu", 0.0307, {}), ("LeakyRelu", 0.0307, {"alpha": 0.1}), ("Sigmoid", 0.00413, {}),
        ("Tanh", 0.0081, {}), ("Elu", 0.0307, {}), ("HardSwish", 0.0307, {}),
    ],
)  # fmt: skip
def test_nearly_dead_channel_before_a_function(
    tmp_path: Path,
    weight_scale: float,
    bias: float,
    function: str,
    scale: float,
    attributes: dict[str, Any],
) -> None:
    """Batch normalisation with a gain near 0 leaves such channels: they are f(bias)."""
    file = OnnxFile(shape=IMAGE)
    scales = np.full(4, 0.0113)
    scales[2] = weight_scale
    codes = file.const(np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)), np.int8)
    grid = file.const(scales), file.const(np.zeros(4), np.int8)
    weights = file.add("DequantizeLinear", codes, *grid, axis=0)
    x = file.add("Conv", file.quantise("image", 0.0203), weights, file.const([0.1, 0.2, bias, 0.3]))
    x = file.quantise(file.add(function, x, **attributes), scale, -20)
    steps, _ = compare(file.save(tmp_path, x))
    assert steps <= 1


@pytest.mark.parametrize("factor", [1e-12, 1e-6, 1.0, 1e6])
@pytest.mark.parametrize("function", [None, "Relu", "LeakyRelu"])
def test_scaling_everything_changes_no_code(
    tmp_path: Path, factor: float, function: str | None
) -> None:
    """All-zero rows keep their bias whatever the unit is."""
    file = OnnxFile(shape=IMAGE)
    codes = np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3))
    codes[1] = 0
    grid = file.const(0.0113 * factor), file.const(0, np.int8)
    weights = file.add("DequantizeLinear", file.const(codes, np.int8), *grid)
    bias = file.const(np.array([0.1, 0.77, -0.5, 0.3]) * factor)
    x = file.add("Conv", file.quantise("image", 0.0203), weights, bias)
    if function is not None:
        more: dict[str, Any] = {"alpha": 0.25} if "y" in function else {}
        x = file.add(function, x, **more)
    steps, _ = compare(file.save(tmp_path, file.quantise(x, 0.0307 * factor, 5)))
    assert steps <= 1


def test_pruned_channel_of_scale_zero(tmp_path: Path) -> None:
    file, x = image_file()
    codes = np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3))
    grid = file.const([0.01, 0.02, 0.0, 0.015]), file.const(np.zeros(4), np.int8)
    weights = file.add("DequantizeLinear", file.const(codes, np.int8), *grid, axis=0)
    x = file.add("Conv", x, weights, file.const([0.1, 0.2, 0.9, 0.3]))
    steps, graph = compare(file.save(tmp_path, file.quantise(x, 0.0513)))
    assert steps <= 1
    assert not first_operator(graph, Convolution).weights[2].any()


def test_function_too_steep_for_its_table_is_refused(tmp_path: Path) -> None:
    """Elsewhere 1,024 entries are within two codes (function_table.TABLE_ERROR_MAX)."""
    file, x = image_file()
    x = file.add("Sin", conv(file, x, name="steep"))
    text = refusal(file.save(tmp_path, file.quantise(x, 0.008)))
    assert text.startswith("function of Conv 'steep' must be within 2 codes of a table of 1,024")
    assert text.endswith(
        "put a QuantizeLinear and a DequantizeLinear between the operator and its function"
    )


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.3])
def test_leaky_function_of_a_layer_is_within_two_codes_or_refused(
    tmp_path: Path, alpha: float
) -> None:
    file, x = image_file()
    x = file.quantise(file.add("LeakyRelu", conv(file, x), alpha=alpha), 0.02)
    path = file.save(tmp_path, x)
    try:
        steps, _ = compare(path)
    except NetworkError:
        assert "must be within 2 codes of a table" in refusal(path)
    else:
        assert steps <= 2


@pytest.mark.parametrize("kind", ["Sqrt", "Log", "Pow"])
def test_function_without_a_result_for_some_codes_is_refused(tmp_path: Path, kind: str) -> None:
    file, x = image_file()
    rest = [file.const(0.5)] if kind == "Pow" else []
    x = file.add(kind, x, *rest)
    text = refusal(file.save(tmp_path, file.quantise(x, 0.02)))
    assert "must have a result for every number that may reach it, not NaN for some" in text
    clipped, x = image_file()
    x = clipped.add("Clip", x, clipped.const(0.01), clipped.const(9.0))
    rest = [clipped.const(0.5)] if kind == "Pow" else []
    steps, _ = compare(clipped.save(tmp_path, clipped.quantise(clipped.add(kind, x, *rest), 0.02)))
    assert steps <= 1


def test_gain_behind_joined_tokens(tmp_path: Path) -> None:
    """The concatenation is quantised after the gain, not before it."""
    file = OnnxFile(shape=(1, 4, 8))
    x = file.quantise("image", 0.03011)
    token = file.const(np.random.default_rng(2).normal(0, 1, (1, 2, 8)))
    x = file.add("Mul", file.add("Concat", x, token, axis=1), file.const(0.31))
    x = file.quantise(x, 0.01)
    path = file.save(tmp_path, file.quantise(file.add("MatMul", x, file.weights((8, 5))), 0.0213))
    steps, _ = compare(path)
    assert steps <= 1


def test_mean_over_another_axis_is_no_layer_norm(tmp_path: Path) -> None:
    """Steps of a normalisation over the rows of an image were read as one over its columns."""
    file = OnnxFile(shape=(1, 3, 5, 7), opset=13)
    x = file.quantise("image", 0.03)
    centre = file.add("Sub", x, file.add("ReduceMean", x, axes=[2]))
    square = file.add("Pow", centre, file.const(2.0))
    total = file.add("Add", file.add("ReduceMean", square, axes=[2]), file.const(1e-5))
    x = file.add("Div", centre, file.add("Sqrt", total))
    assert "axes of ReduceMean" in refusal(file.save(tmp_path, file.quantise(x, 0.02)))


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("scale", [0.0117, 0.0513, 0.09])
def test_bias_of_weights_of_few_bits(tmp_path: Path, bits: int, scale: float) -> None:
    """One accumulator step is many codes of the result, and a bias no multiple of it."""
    file = OnnxFile(shape=IMAGE)
    grid = file.const(0.511), file.const(0, np.int8)
    x = file.add("QuantizeLinear", "image", *grid)
    most = (1 << bits - 1) - 1
    x = file.add("Clip", x, file.const(-most - 1, np.int8), file.const(most, np.int8))
    x = file.add("DequantizeLinear", x, *grid)
    codes = file.const(np.random.default_rng(0).integers(-most, most + 1, (4, 3, 3, 3)), np.int8)
    weights = file.add("DequantizeLinear", codes, file.const(0.31), file.const(0, np.int8))
    bias = file.const([0.0371, -0.0513, 0.0777, 0.129])
    x = file.quantise(file.add("Conv", x, weights, bias), scale)
    steps, _ = compare(file.save(tmp_path, x))
    assert steps <= 1


def test_bias_that_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    file = OnnxFile(shape=IMAGE)
    codes = file.const(np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)), np.int8)
    weights = file.add("DequantizeLinear", codes, file.const(0.31), file.const(0, np.int8))
    bias = file.const([0.0371, -0.0513, 0.0777, 0.129])
    x = file.add("Conv", file.quantise("image", 0.5), weights, bias, name="coarse")
    text = refusal(file.save(tmp_path, file.quantise(x, 0.01)))
    assert text.startswith("bias of Conv 'coarse' must be a multiple of its products' scale")
