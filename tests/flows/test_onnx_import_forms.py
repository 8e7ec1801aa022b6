"""Small files for one form of writing each, compared with onnxruntime code by code."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
import pytest

from flows.onnx_import import load_network
from models.graph import run_graph
from models.ops.add import Add
from models.ops.convolution import Convolution
from models.ops.layer_norm import LayerNorm
from models.ops.requantize import Requantize
from tests.flows.onnx_files import UINT8, OnnxFile

IMAGE, TOKENS = (1, 3, 9, 7), (1, 6, 8)


def compare(path, count=16, seed=0):
    """Largest difference in output codes, and the graph."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    shape = session.get_inputs()[0].shape
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 1.5, (count, *shape[1:])).astype(np.float32)
    want = np.concatenate([session.run(None, {"image": image[None]})[0] for image in images])
    graph = load_network(path)
    order = (0, 2, 3, 1) if images.ndim == 4 else range(images.ndim)
    codes = graph.tensors[graph.input].quantize(images.transpose(order))
    kind = graph.tensors[graph.output]
    got = kind.dequantize(run_graph(graph, codes.reshape(count, *graph.tensors[graph.input].shape)))
    if want.ndim == 4:
        want = want.transpose(0, 2, 3, 1)
    steps = np.abs(got.reshape(want.shape) - want) / kind.scale
    assert want.std() > 5 * kind.scale
    return float(np.rint(steps.max())), graph


def only(graph, kind):
    """The one operator of a kind."""
    found = [node.operator for node in graph.nodes if isinstance(node.operator, kind)]
    assert len(found) == 1
    return found[0]


def test_gemm_with_both_transpositions_and_a_float_bias(tmp_path):
    for transposed in (0, 1):
        file = OnnxFile(shape=(1, 8))
        shape = (5, 8) if transposed else (8, 5)
        weights = file.weights(shape, axis=1 - transposed)
        bias = file.const(np.linspace(-2, 2, 5))
        x = file.add("Gemm", file.quantise("image"), weights, bias, transB=transposed)
        steps, graph = compare(file.save(tmp_path, file.quantise(x)))
        assert steps <= 1
        assert len(graph.nodes) == 1


def test_bias_as_int32_codes(tmp_path):
    file = OnnxFile(shape=(1, 8))
    scale = 0.05 * 0.02
    bias = file.add(
        "DequantizeLinear", file.const(np.arange(-2500, 2500, 1000), np.int32), file.const(scale)
    )
    x = file.add("Gemm", file.quantise("image"), file.weights((8, 5)), bias)
    steps, graph = compare(file.save(tmp_path, file.quantise(x)))
    assert steps == 0
    assert only(graph, Convolution).requantize.bias.tolist() == [-2500, -1500, -500, 500, 1500]


def test_function_without_a_quantiser_before_it_becomes_a_fine_table(tmp_path):
    for opset, kind in ((20, "Gelu"), (17, "Sigmoid"), (17, "Tanh")):
        file = OnnxFile(opset=opset)
        x = file.add("MatMul", file.quantise("image"), file.weights((8, 6)))
        grid = (0.03, -110) if kind == "Gelu" else (1 / 127, 0)
        steps, graph = compare(file.save(tmp_path, file.quantise(file.add(kind, x), *grid)))
        assert steps <= 2
        assert len(only(graph, Convolution).requantize.table.table) == 1024


def test_decomposed_gelu_without_any_quantiser_inside(tmp_path):
    file = OnnxFile()
    x = file.add("MatMul", file.quantise("image"), file.weights((8, 6)))
    x = file.add("Add", x, file.const(np.linspace(-1, 1, 6)))
    inner = file.add("Erf", file.add("Div", x, file.const(math.sqrt(2))))
    y = file.add("Mul", x, file.add("Add", inner, file.const(1.0)))
    y = file.add("Mul", y, file.const(0.5))
    steps, graph = compare(file.save(tmp_path, file.quantise(y, 0.03, -110)))
    assert steps <= 2
    assert len(graph.nodes) == 1


def test_function_of_codes_with_two_readers_stays_apart(tmp_path):
    file = OnnxFile()
    x = file.quantise(file.add("MatMul", file.quantise("image"), file.weights((8, 8))))
    y = file.quantise(file.add("Sigmoid", x), 1 / 255, -128)
    y = file.quantise(file.add("MatMul", y, file.weights((8, 8), seed=1)))
    steps, graph = compare(file.save(tmp_path, file.quantise(file.add("Add", x, y))))
    assert steps <= 1
    assert len(only(graph, Requantize).table.table) == 256


def test_sum_of_a_tensor_and_its_function_is_a_function(tmp_path):
    file = OnnxFile()
    x = file.quantise(file.add("MatMul", file.quantise("image"), file.weights((8, 8))))
    y = file.quantise(file.add("Sigmoid", x), 1 / 255, -128)
    steps, graph = compare(file.save(tmp_path, file.quantise(file.add("Add", x, y))))
    assert steps <= 1
    assert len(graph.nodes) == 1


def test_relu_is_a_clamp_and_negative_gain_turns_the_weights(tmp_path):
    file = OnnxFile(shape=IMAGE)
    x = file.add("Conv", file.quantise("image"), file.weights((4, 3, 3, 3), axis=0))
    x = file.add("Mul", x, file.const(np.array([1, -1, 0.5, -2.0])[:, None, None]))
    steps, graph = compare(file.save(tmp_path, file.quantise(file.add("Relu", x), 0.05, -100)))
    assert steps <= 1
    assert only(graph, Convolution).requantize.low == -100


def test_batch_normalisation_after_a_convolution_disappears(tmp_path):
    file = OnnxFile(shape=IMAGE)
    rng = np.random.default_rng(1)
    numbers = [file.const(rng.uniform(0.5, 1.5, 4)) for _ in range(4)]
    x = file.add("Conv", file.quantise("image"), file.weights((4, 3, 3, 3)), pads=[1, 1, 1, 1])
    x = file.add("BatchNormalization", x, *numbers)
    steps, graph = compare(file.save(tmp_path, file.quantise(x)))
    assert steps <= 1
    assert len(graph.nodes) == 1


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding(tmp_path, mode):
    file = OnnxFile(shape=IMAGE)
    x = file.quantise("image", 0.04, 30)
    x = file.add("Conv", x, file.weights((4, 3, 4, 3)), auto_pad=mode, strides=[2, 2])
    steps, _ = compare(file.save(tmp_path, file.quantise(x)))
    assert steps <= 1


def test_pad_goes_into_the_convolution(tmp_path):
    file = OnnxFile(shape=IMAGE)
    pads = file.const([0, 0, 1, 2, 0, 0, 0, 1], np.int64)
    x = file.add("Pad", file.quantise("image", 0.05, 20), pads)
    x = file.add("Conv", x, file.weights((4, 3, 3, 3)), pads=[1, 0, 0, 0])
    steps, graph = compare(file.save(tmp_path, file.quantise(x)))
    assert steps <= 1
    assert only(graph, Convolution).padding == (2, 2, 0, 1)


def test_unsigned_codes_and_asymmetric_weights(tmp_path):
    file = OnnxFile(code=np.uint8)
    rng = np.random.default_rng(3)
    codes = file.const(rng.integers(0, 256, (8, 6)), np.uint8)
    weights = file.add("DequantizeLinear", codes, file.const(0.02), file.const(100, np.uint8))
    x = file.add("MatMul", file.quantise("image", 0.04, 120), weights)
    steps, graph = compare(file.save(tmp_path, file.quantise(x, 0.1, 131)))
    assert steps <= 1
    assert graph.tensors[graph.input].zero_point == -8
    assert graph.tensors[graph.output].zero_point == 3


def test_weights_that_the_file_quantises_itself(tmp_path):
    file = OnnxFile()
    real = file.const(np.random.default_rng(4).normal(0, 0.5, (8, 6)))
    x = file.add("MatMul", file.quantise("image"), file.quantise(real, 0.015))
    steps, graph = compare(file.save(tmp_path, file.quantise(x)))
    assert steps <= 1
    assert np.abs(only(graph, Convolution).weights).max() > 60


def test_weights_transposed_in_the_file(tmp_path):
    file = OnnxFile()
    weights = file.add("Transpose", file.weights((6, 8), axis=0), perm=[1, 0])
    x = file.add("MatMul", file.quantise("image"), weights)
    steps, _ = compare(file.save(tmp_path, file.quantise(x)))
    assert steps == 0


@pytest.mark.parametrize("power", ["Pow", "Mul"])
@pytest.mark.parametrize("divide", ["Div", "Reciprocal"])
def test_decomposed_layer_normalisation(tmp_path, power, divide):
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


def test_attention_whose_channels_lie_head_by_head(tmp_path):
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


def test_attention_without_quantiser_after_softmax_and_one_head(tmp_path):
    file = OnnxFile(shape=TOKENS)
    x = file.quantise("image")
    scores = file.quantise(file.add("MatMul", x, file.add("Transpose", x, perm=[0, 2, 1])), 0.2)
    y = file.quantise(file.add("MatMul", file.add("Softmax", scores), x), 0.03)
    steps, _ = compare(file.save(tmp_path, y))
    assert steps <= 3


def test_subtraction_and_sum_on_two_grids(tmp_path):
    file = OnnxFile()
    x = file.quantise("image")
    y = file.quantise(file.add("MatMul", x, file.weights((8, 8))), 0.07, -9)
    steps, graph = compare(file.save(tmp_path, file.quantise(file.add("Sub", x, y), 0.08, 4)))
    assert steps <= 1
    assert only(graph, Add).b_multiplier < 0


def test_sum_of_an_image_and_its_transposed_tokens(tmp_path):
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
def test_pooling(tmp_path, counted):
    file = OnnxFile(shape=IMAGE)
    x = file.quantise("image", 0.04, 20)
    window = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}
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
def test_mean(tmp_path, shape, order, axes, keep):
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


def test_input_that_is_codes_already(tmp_path):
    file = OnnxFile(kind=UINT8)
    grid = file.const(0.05), file.const(100, np.uint8)
    x = file.add("DequantizeLinear", "image", *grid)
    x = file.add("MatMul", x, file.weights((8, 6)))
    graph = load_network(file.save(tmp_path, file.quantise(x)))
    kind = graph.tensors[graph.input]
    assert (kind.scale, kind.zero_point) == (pytest.approx(0.05), -28)


@pytest.mark.parametrize("function", [None, "Relu", "Sigmoid"])
def test_factor_after_the_last_quantiser(tmp_path, function):
    file = OnnxFile()
    x = file.add("MatMul", file.quantise("image"), file.weights((8, 6)))
    x = file.quantise(x if function is None else file.add(function, x), 0.01)
    steps, graph = compare(file.save(tmp_path, file.add("Mul", x, file.const(2.5))))
    assert steps <= 1
    assert graph.tensors[graph.output].scale == pytest.approx(0.025)


def test_quantisers_without_a_zero_point(tmp_path):
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


def test_much_coarser_quantiser_is_kept(tmp_path):
    file = OnnxFile()
    x = file.quantise(file.quantise("image", 0.0213), 0.37)
    steps, graph = compare(
        file.save(tmp_path, file.quantise(file.add("MatMul", x, file.weights((8, 6))), 0.1))
    )
    assert steps <= 1
    assert only(graph, Requantize).table is None


def test_old_operator_set_is_converted(tmp_path):
    file = OnnxFile(shape=(1, 8), opset=10, code=np.uint8)
    codes = file.const(np.random.default_rng(0).integers(0, 256, (8, 5)), np.uint8)
    weights = file.add("DequantizeLinear", codes, file.const(0.02), file.const(128, np.uint8))
    x = file.add("MatMul", file.quantise("image", zero=128), weights)
    path = file.save(tmp_path, file.quantise(x, zero=128))
    assert onnx.load(path).opset_import[0].version == 10
    steps, _ = compare(path)
    assert steps <= 1


def test_shape_computed_in_the_file(tmp_path):
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
