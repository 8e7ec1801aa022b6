"""Shapes, types and numbers that the checker lets pass: read rightly, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from flows.onnx_import import NetworkError, load_network
from tests.support.onnx_files import UINT8, OnnxFile, compare

INT4 = TensorProto.INT4


def refusal(path: Path) -> str:
    with pytest.raises(NetworkError) as caught:
        load_network(path)
    return str(caught.value)


def layer(file: OnnxFile, x: str, seed: int = 0, shape: tuple[int, ...] = (8, 8)) -> str:
    return file.quantise(file.add("MatMul", x, file.weights(shape, seed, scale=0.0207)), 0.0513)


def numbers(file: OnnxFile, *values: int) -> str:
    return file.const(list(values), np.int64)


@pytest.mark.parametrize("then", ["Conv", "MaxPool", "GlobalAveragePool"])
def test_images_beside_each_other_on_the_batch_axis(tmp_path: Path, then: str) -> None:
    file = OnnxFile(shape=(1, 6, 5, 5))
    x = file.add("Reshape", file.quantise("image"), numbers(file, 2, 3, 5, 5))
    if then == "Conv":
        x = file.add("Conv", x, file.weights((4, 3, 3, 3)), name="two")
    elif then == "MaxPool":
        x = file.add("MaxPool", x, kernel_shape=[2, 2], name="two")
    else:
        x = file.add("GlobalAveragePool", x, name="two")
    x = file.add("Gather", file.quantise(x), numbers(file, -1), axis=0)
    assert refusal(file.save(tmp_path, x)) == f"batch of {then} 'two' must be 1, not 2"


@pytest.mark.parametrize("shape", [(2, 3, 8), (6, 1, 8), (1, 6, 8)])
def test_output_of_any_first_axis_is_whole(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file = OnnxFile(shape=(1, 6, 8))
    x = file.add("Reshape", layer(file, file.quantise("image", 0.03)), numbers(file, *shape))
    steps, graph = compare(file.save(tmp_path, x))
    assert steps <= 1
    assert np.prod(graph.tensors[graph.output].shape) == 48


@pytest.mark.parametrize("shape", [(1, 2, 36), (1, 24, 3)])
def test_softmax_of_scores_in_another_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file = OnnxFile(shape=(1, 6, 8))
    x = file.quantise("image", 0.03)
    heads = numbers(file, 6, 2, 4)
    query = file.add("Transpose", file.add("Reshape", layer(file, x, 1), heads), perm=[1, 0, 2])
    keys = file.add("Transpose", file.add("Reshape", layer(file, x, 2), heads), perm=[1, 2, 0])
    scores = file.quantise(file.add("MatMul", query, keys), 0.05)
    scores = file.add("Reshape", scores, numbers(file, *shape))
    path = file.save(tmp_path, file.quantise(file.add("Softmax", scores), 1 / 255, -128))
    steps, _ = compare(path)
    assert steps <= 2


def test_number_a_token_is_none_a_channel(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 8, 8))
    x = file.add("Reshape", file.quantise("image"), numbers(file, 8, 8))
    column = file.const(np.arange(8.0).reshape(8, 1))
    x = file.add("Gemm", x, file.weights((8, 8)), column, name="tokens")
    assert refusal(file.save(tmp_path, file.quantise(x))) == (
        "C of Gemm 'tokens' must be one number a column, not of shape [8, 1] with other numbers in "
        "other rows: use an Add"
    )


@pytest.mark.parametrize("shape", [(1, 8), (8,), (1, 1), ()])
def test_c_of_a_linear_layer_in_every_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file = OnnxFile(shape=(1, 8, 8))
    x = file.add("Reshape", file.quantise("image", 0.03), numbers(file, 8, 8))
    row = file.const(np.random.default_rng(3).normal(0, 1, shape))
    x = file.add("Gemm", x, file.weights((8, 8), scale=0.0207), row)
    steps, _ = compare(file.save(tmp_path, file.quantise(x, 0.0513)))
    assert steps <= 1


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (2, 8, 8)])
def test_weights_of_more_axes_than_the_tensor(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file = OnnxFile(shape=(1, 6, 8))
    x = file.add("MatMul", file.quantise("image"), file.weights(shape), name="deep")
    path = file.save(tmp_path, file.quantise(x), check=False)
    assert "weights of MatMul 'deep' must " in refusal(path)


@pytest.mark.parametrize(
    ("bias", "weights", "more"),
    [
        ((1, 4), (4, 3, 3, 3), {}),
        ((4,), (4, 2, 3, 3), {}),
        ((4,), (4, 3, 3, 3), {"kernel_shape": [1, 1]}),
        ((4,), (4, 1, 3, 3), {"group": 3}),
    ],
)
def test_convolution_whose_parts_do_not_fit(
    tmp_path: Path, bias: tuple[int, ...], weights: tuple[int, ...], more: dict[str, Any]
) -> None:
    file = OnnxFile(shape=(1, 3, 9, 7))
    parts = file.weights(weights), file.const(np.ones(bias))
    x = file.add("Conv", file.quantise("image"), *parts, name="odd", **more)
    text = refusal(file.save(tmp_path, file.quantise(x), check=False))
    assert "of Conv 'odd' must be" in text or "must be valid ONNX" in text


def test_file_without_an_operator(tmp_path: Path) -> None:
    file = OnnxFile(kind=UINT8)
    path = file.save(tmp_path, file.add("DequantizeLinear", "image", file.const(0.05)))
    assert refusal(path) == "network network must have an operator between input and output"


def test_output_of_four_bits(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 6, 8), opset=21)
    x = file.add("MatMul", file.quantise("image"), file.weights((8, 8)))
    codes = file.add("QuantizeLinear", x, file.const(0.3), output_dtype=INT4, name="four")
    assert "must be FLOAT, INT8 or UINT8, not INT4: put a DequantizeLinear before it" in refusal(
        file.save(tmp_path, codes, output_kind=INT4)
    )


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_kernel_beyond_the_image(tmp_path: Path, kind: str) -> None:
    file = OnnxFile(shape=(1, 3, 9, 7))
    x = file.add(kind, file.quantise("image"), kernel_shape=[12, 3], name="big")
    text = refusal(file.save(tmp_path, file.quantise(x), check=False))
    assert f"kernel of {kind} 'big' must fit its input" in text or "must be valid ONNX" in text


@pytest.mark.parametrize("kind", ["Slice", "Gather"])
def test_output_without_elements(tmp_path: Path, kind: str) -> None:
    file = OnnxFile(shape=(1, 6, 8))
    x = layer(file, file.quantise("image"))
    if kind == "Slice":
        x = file.add("Slice", x, numbers(file, 3), numbers(file, 3), numbers(file, 1))
    else:
        x = file.add("Gather", x, file.const(np.zeros(0), np.int64), axis=1)
    assert "must have elements, not the shape [1, 0, 8]" in refusal(file.save(tmp_path, x))


def test_offsets_that_are_small_because_everything_is(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 6, 8))
    x = file.add("MatMul", file.quantise("image", 5e-12), file.weights((8, 8)))
    y = file.add("Add", x, file.const(np.linspace(-4e-10, 4e-10, 8)))
    path = file.save(tmp_path, file.quantise(file.add("Max", x, y, name="both"), 1e-11))
    assert "operands of Max 'both' must be a tensor and constants" in refusal(path)


@pytest.mark.parametrize("scale", [1e-9, 0.05, 1e4])
def test_half_precision_in_between(tmp_path: Path, scale: float) -> None:
    file = OnnxFile(shape=(1, 6, 8), opset=19)
    x = file.add("Cast", file.quantise("image", scale), to=TensorProto.FLOAT16, name="half")
    x = file.add("Cast", x, to=TensorProto.FLOAT)
    x = file.quantise(file.add("MatMul", x, file.weights((8, 8), scale=0.0207)), scale * 1.03)
    path = file.save(tmp_path, x)
    if scale != 0.05:
        assert "numbers before Cast 'half' must be within half precision" in refusal(path)
        return
    steps, _ = compare(path)
    assert steps <= 1


def test_weights_cast_to_float(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 6, 8))
    weights = file.add("Cast", file.weights((8, 8), scale=0.0207), to=TensorProto.FLOAT)
    x = file.add("MatMul", file.quantise("image", 0.03), weights)
    steps, _ = compare(file.save(tmp_path, file.quantise(x, 0.0513)))
    assert steps <= 1


@pytest.mark.parametrize("variance", [-1.0, np.nan])
def test_statistics_that_are_no_numbers(tmp_path: Path, variance: float) -> None:
    file = OnnxFile(shape=(1, 3, 9, 7))
    rest = [file.const(n) for n in ([1.0] * 3, [0.0] * 3, [0.0] * 3, [variance, 1.0, 1.0])]
    x = file.add("BatchNormalization", file.quantise("image"), *rest, name="norm")
    assert "BatchNormalization 'norm' must make finite numbers" in refusal(
        file.save(tmp_path, file.quantise(x))
    )


def test_constant_that_is_no_number(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 6, 8))
    x = file.add("Mul", file.quantise("image"), file.const(np.full(8, np.nan)), name="gain")
    path = file.save(tmp_path, file.quantise(x))
    assert refusal(path) == "constant of Mul 'gain' must be of numbers, not NaN"


def test_second_output_of_a_pool(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 3, 9, 7))
    _, where = file.add("MaxPool", file.quantise("image"), kernel_shape=[2, 2], outputs=2)
    x = file.add("Cast", where, to=TensorProto.FLOAT, name="places")
    text = refusal(file.save(tmp_path, file.quantise(x, 1.0)))
    assert text.endswith("must not be used by Cast 'places': only the first one is supported")


def test_as_many_zero_points_as_scales(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 6, 8))
    codes = file.const(np.ones((8, 8)), np.int8)
    grid = file.const(np.full(8, 0.02)), file.const(0, np.int8)
    weights = file.add("DequantizeLinear", codes, *grid, axis=1, name="odd")
    x = file.quantise(file.add("MatMul", file.quantise("image"), weights))
    text = refusal(file.save(tmp_path, x, check=False))
    assert "scale and zero point of DequantizeLinear 'odd' must be one number each" in text


def test_constant_product_that_takes_long(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 6, 8))
    square = file.const(np.ones((1200, 1200)))
    number = file.add("ReduceMax", file.add("MatMul", square, square, name="slow"), keepdims=0)
    x = file.quantise(file.add("Add", file.quantise("image"), number))
    assert refusal(file.save(tmp_path, x)).startswith(
        "inputs of constant MatMul 'slow' must have at most 2,097,152 elements, not 2,880,000"
    )
