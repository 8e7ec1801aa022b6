"""Every file that cannot be imported gives one line that names the node and what is supported."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from flows.onnx_import import NetworkError, load_network
from tests.support.onnx_files import OnnxFile


def refused(path: Path, text: str) -> None:
    """The import fails with exactly ``text`` in its one line."""
    with pytest.raises(NetworkError, match=re.escape(text)) as caught:
        load_network(path)
    assert "\n" not in str(caught.value)


def linear(file: OnnxFile, tensor: str, inputs: int = 8, outputs: int = 8) -> str:
    return file.add("MatMul", tensor, file.weights((inputs, outputs)), name="layer")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = OnnxFile()
    return file.save(tmp_path, file.quantise(linear(file, file.quantise("image"))))


def test_good_file_is_not_refused(good: Path) -> None:
    assert load_network(good).tensors["image"].shape == (4, 8)


def test_error_is_a_value_error() -> None:
    assert issubclass(NetworkError, ValueError)


def test_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.onnx", "none.onnx must be a file, not a missing path")


def test_folder(tmp_path: Path) -> None:
    refused(tmp_path, "must be a file, not a folder")


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x89PNG\r\n\x1a\n" * 40])
def test_no_onnx_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "picture.onnx"
    path.write_bytes(content)
    refused(path, "network picture.onnx must be an ONNX file")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_file(tmp_path: Path, good: Path, share: float) -> None:
    data = good.read_bytes()
    path = tmp_path / "short.onnx"
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "network short.onnx must be")


def test_flipped_bytes_never_end_in_another_exception(tmp_path: Path, good: Path) -> None:
    data = bytearray(good.read_bytes())
    rng = np.random.default_rng(0)
    path = tmp_path / "broken.onnx"
    messages = []
    for _ in range(200):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            broken[place] = rng.integers(256)
        path.write_bytes(broken)
        try:
            load_network(path)
        except NetworkError as error:
            messages.append(str(error))
    assert messages
    assert not any("\n" in message for message in messages)


def test_float_network(tmp_path: Path) -> None:
    file = OnnxFile()
    path = file.save(tmp_path, file.add("MatMul", "image", file.const(np.ones((8, 3)))))
    refused(
        path,
        "network network.onnx must be quantised (QuantizeLinear and DequantizeLinear around its "
        "operators), not float: quantise the float network with rowmac quantise, or onnxruntime's "
        "quantize_static with QuantFormat.QDQ",
    )


def test_float_weights(tmp_path: Path) -> None:
    file = OnnxFile()
    x = file.add("MatMul", file.quantise("image"), file.const(np.ones((8, 3))), name="head")
    refused(
        file.save(tmp_path, file.quantise(x)),
        "weights of MatMul 'head' must be quantised (int8 or uint8 and a DequantizeLinear), not "
        "float",
    )


def test_float_input_of_a_layer(tmp_path: Path) -> None:
    file = OnnxFile()
    path = file.save(tmp_path, file.quantise(linear(file, "image")))
    refused(path, "input of MatMul 'layer' must be quantised (a QuantizeLinear before it)")


def test_float_between_layers(tmp_path: Path) -> None:
    file = OnnxFile()
    x = linear(file, file.quantise("image"))
    x = file.add("MatMul", x, file.weights((8, 2)), name="second")
    refused(
        file.save(tmp_path, file.quantise(x)),
        "output of MatMul 'layer' must be quantised (a QuantizeLinear after it) before MatMul "
        "'second', not float",
    )


def test_unknown_operator(tmp_path: Path) -> None:
    file = OnnxFile()
    x = file.add("CumSum", file.quantise("image"), file.const(1, np.int64), name="odd one")
    path = file.save(tmp_path, file.quantise(x))
    refused(
        path,
        "operator of node 'odd one' must be a supported one, not CumSum (rowmac operators lists "
        "them)",
    )


def test_operator_of_another_domain(tmp_path: Path) -> None:
    file = OnnxFile()
    x = file.add("FusedMatMul", file.quantise("image"), file.weights((8, 2)), name="fast")
    path = file.save(tmp_path, x, check=False)
    model = onnx.load(path)
    next(n for n in model.graph.node if n.name == "fast").domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)
    refused(
        path,
        "operator of FusedMatMul 'fast' must be a standard ONNX operator, not one of the domain "
        "'com.microsoft'",
    )


@pytest.mark.parametrize(
    ("shape", "shown"),
    [(("batch", "tokens", 8), "[batch, tokens, 8]"), ((1, 3, "height", 8), "[1, 3, height, 8]")],
)
def test_dynamic_shape(
    tmp_path: Path, shape: tuple[int, int, str, int] | tuple[str, str, int], shown: str
) -> None:
    file = OnnxFile(shape=shape)
    path = file.save(tmp_path, file.quantise(file.quantise("image")))
    refused(path, f"shape of input 'image' must be fixed but for the batch axis, not {shown}")


def test_batch(tmp_path: Path) -> None:
    file = OnnxFile(shape=(16, 4, 8))
    path = file.save(tmp_path, file.quantise(linear(file, file.quantise("image"))))
    refused(path, "batch of input 'image' must be 1 or dynamic, not 16")


def test_dynamic_batch_is_one_image(tmp_path: Path) -> None:
    file = OnnxFile(shape=("batch", 4, 8))
    path = file.save(tmp_path, file.quantise(linear(file, file.quantise("image"))))
    assert load_network(path).tensors["image"].shape == (4, 8)


def test_rank_of_the_input(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 2, 3, 4, 5))
    refused(file.save(tmp_path, file.quantise("image")), "shape of input 'image' must be [batch, ")


def test_type_of_the_input(tmp_path: Path) -> None:
    file = OnnxFile(kind=TensorProto.INT64)
    x = file.add("Cast", "image", to=TensorProto.FLOAT)
    refused(
        file.save(tmp_path, file.quantise(x)),
        "type of input 'image' must be FLOAT, INT8 or UINT8, not INT64",
    )


def test_two_outputs(tmp_path: Path) -> None:
    file = OnnxFile()
    x = file.quantise("image")
    path = file.save(tmp_path, file.quantise(linear(file, x)), x)
    refused(path, "network network.onnx must have one output, not 2 (")


def test_sixteen_bit_activations(tmp_path: Path) -> None:
    file = OnnxFile(opset=21, code=np.int16)
    path = file.save(tmp_path, file.quantise(linear(file, file.quantise("image"))))
    refused(
        path,
        "type of QuantizeLinear 'quantizelinear_3' must be int8 or uint8 (or fewer bits; int32 "
        "for a bias), not int16",
    )


def test_scale_that_is_no_scale(tmp_path: Path) -> None:
    file = OnnxFile()
    path = file.save(tmp_path, file.quantise("image", scale=0.0))
    refused(path, "scale of QuantizeLinear 'quantizelinear_3' must be positive and finite")


def test_product_of_two_tensors(tmp_path: Path) -> None:
    file = OnnxFile()
    x = file.quantise("image")
    y = file.quantise(linear(file, x))
    path = file.save(tmp_path, file.quantise(file.add("Mul", x, y, name="gate")))
    refused(path, "operands of Mul 'gate' must be a tensor and constants, or functions of one")


def test_softmax_over_tokens(tmp_path: Path) -> None:
    file = OnnxFile()
    x = file.add("Softmax", file.quantise("image"), axis=1, name="soft")
    refused(file.save(tmp_path, file.quantise(x)), "axis of Softmax 'soft' must be the last one")


def test_attention_mask(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    x = file.quantise("image")
    scores = file.add("MatMul", x, file.add("Transpose", x, perm=[0, 2, 1]))
    mask = np.triu(np.full((4, 4), -1e4), 1)
    masked = file.add("Add", file.quantise(scores, 0.5), file.const(mask), name="mask")
    path = file.save(tmp_path, file.quantise(file.add("Softmax", masked)))
    refused(path, "Add 'mask' must not add a mask to attention scores: masks are not supported")


def test_channels_joined(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 3, 8, 8))
    x = file.quantise("image")
    y = file.quantise(file.add("Conv", x, file.weights((3, 3, 1, 1))))
    path = file.save(tmp_path, file.quantise(file.add("Concat", x, y, axis=1, name="join")))
    refused(path, "Concat 'join' must join tokens (axis 1 of [batch, tokens, channels]), not axis")


def test_crop_of_an_image(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 3, 8, 8))
    numbers = [file.const([n], np.int64) for n in (2, 6, 3)]
    x = file.add("Slice", file.quantise("image"), *numbers)
    x = file.add("Conv", x, file.weights((3, 3, 1, 1)), name="inside")
    path = file.save(tmp_path, file.quantise(x))
    refused(path, "input of Conv 'inside' must be whole tokens and channels of input 'image' in")


def test_one_dimensional_convolution(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    x = file.add("Conv", file.quantise("image"), file.weights((3, 4, 3)), name="line")
    refused(
        file.save(tmp_path, file.quantise(x)),
        "input of Conv 'line' must be [1, channels, height, width], not [1, 4, 8]",
    )


def test_padding_that_is_not_zero(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 3, 8, 8))
    pads = file.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    x = file.add("Pad", file.quantise("image"), pads, mode="reflect", name="mirror")
    x = file.add("Conv", x, file.weights((3, 3, 3, 3)))
    path = file.save(tmp_path, file.quantise(x))
    refused(path, "Pad 'mirror' must put a constant around height and width of an image, not mode")


def test_operator_set_of_the_future(tmp_path: Path) -> None:
    file = OnnxFile(opset=17)
    path = file.save(tmp_path, file.quantise("image"))
    model = onnx.load(path)
    model.opset_import[0].version = 99
    onnx.save(model, path)
    refused(path, "operator set of network network.onnx must be at most")


def test_output_that_is_not_quantised(tmp_path: Path) -> None:
    file = OnnxFile()
    path = file.save(tmp_path, linear(file, file.quantise("image")))
    refused(path, "output of MatMul 'layer' must be quantised (a QuantizeLinear after it) before ")
