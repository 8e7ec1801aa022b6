"""Files of other forms are named, with the way to the form that is read."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from flows.onnx_import import NetworkError, load_network
from flows.onnx_import.reader import self_contained
from models.ops.convolution import Convolution
from tests.support.onnx_files import OnnxFile, first_operator


def refusal(path: Path) -> str:
    with pytest.raises(NetworkError) as caught:
        load_network(path)
    return str(caught.value)


def one_node(path: Path, kind: str, domain: str = "", **attributes: Any) -> Path:
    """A file that is nothing but a node of the form in question."""
    node = helper.make_node(kind, ["image"], ["out"], name="first", domain=domain, **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 8))],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, (1, 8))],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
    return path


@pytest.mark.parametrize("domain", ["qonnx.custom_op.general", "onnx.brevitas"])
@pytest.mark.parametrize("kind", ["Quant", "BipolarQuant", "Trunc"])
def test_qonnx(tmp_path: Path, domain: str, kind: str) -> None:
    assert refusal(one_node(tmp_path / "theirs.onnx", kind, domain)) == (
        f"network theirs.onnx must be in QDQ form, not QONNX ({kind} 'first'): convert it with "
        "qonnx's QuantToQCDQ (qonnx.transformation.qonnx_to_qcdq), or export it from Brevitas by "
        "export_onnx_qcdq"
    )


@pytest.mark.parametrize("kind", ["QLinearConv", "QLinearMatMul"])
def test_qoperator(tmp_path: Path, kind: str) -> None:
    assert refusal(one_node(tmp_path / "theirs.onnx", kind)) == (
        f"network theirs.onnx must be in QDQ form, not QOperator form ({kind} 'first'): quantise "
        "with quant_format=QuantFormat.QDQ"
    )


@pytest.mark.parametrize("kind", ["QLinearAdd", "QGemm", "QLinearConcat"])
def test_qoperator_of_onnxruntime(tmp_path: Path, kind: str) -> None:
    text = refusal(one_node(tmp_path / "theirs.onnx", kind, "com.microsoft"))
    assert "not QOperator form" in text


@pytest.mark.parametrize("kind", ["DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"])
def test_dynamic_quantisation(tmp_path: Path, kind: str) -> None:
    assert refusal(one_node(tmp_path / "theirs.onnx", kind)) == (
        f"network theirs.onnx must have fixed scales, not dynamic quantisation ({kind} 'first'): "
        "quantise the float network with rowmac quantise, or onnxruntime's quantize_static"
    )


def test_tensorflow_lite(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(200))
    assert refusal(path) == (
        "network net.tflite must be an ONNX file in QDQ form, not TensorFlow Lite: convert the "
        "float network to ONNX (tf2onnx) and quantise it with rowmac quantise"
    )


def test_checkpoint_of_pytorch(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"x")
    assert "not an archive (a PyTorch checkpoint, .keras or .npz): export it first" in refusal(path)


def test_special_file() -> None:
    assert refusal(Path("/dev/zero")) == "network /dev/zero must be a file, not a device or pipe"


def linear(tmp_path: Path, name: str = "network.onnx") -> Path:
    file = OnnxFile(shape=(1, 4, 8))
    x = file.quantise(file.add("MatMul", file.quantise("image"), file.weights((8, 6))))
    return file.save(tmp_path, x, name=name)


def test_external_data_is_taken_in(tmp_path: Path) -> None:
    """One file that is the same network, wherever it is laid."""
    inside = linear(tmp_path, "inside.onnx")
    there = tmp_path / "there"
    there.mkdir()
    outside = there / "net.onnx"
    onnx.save(
        onnx.load(inside), outside, save_as_external_data=True, location="net.onnx.data",
        size_threshold=0,
    )  # fmt: skip
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(self_contained(outside))
    first, second = load_network(inside), load_network(alone)
    kept, taken = (first_operator(graph, Convolution).weights for graph in (first, second))
    assert np.array_equal(kept, taken)
    assert self_contained(inside) == inside.read_bytes()


@pytest.mark.slow
def test_build_of_external_data_names_the_users_file(tmp_path: Path) -> None:
    path = linear(tmp_path, "mine.onnx")
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="mine.data", size_threshold=0
    )
    start = "import sys; from flows.cli import main; sys.exit(main())"
    rest = ["build", str(path), "--board", "arty-z7-20", "-o", str(tmp_path / "out")]
    command = [sys.executable, "-c", start, *rest]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, again = load_network(path), load_network(tmp_path / "out" / "network.onnx")
    kept, taken = (first_operator(graph, Convolution).weights for graph in (first, again))
    assert np.array_equal(kept, taken)
    (tmp_path / "mine.data").unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{path}: external data of network mine.onnx must be where the file says" in done.stderr


MISTYPED = {
    "weights of one type, zero point of another": (np.int16, np.int8),
    "zero point of 32 bits": (np.int8, np.int32),
    "unsigned zero point": (np.int8, np.uint8),
}


@pytest.mark.parametrize("kinds", MISTYPED.values(), ids=MISTYPED)
def test_types_that_do_not_go_together(
    tmp_path: Path, kinds: tuple[type[np.integer], type[np.integer]]
) -> None:
    file = OnnxFile(shape=(1, 4, 8), opset=21)
    codes = file.const(np.ones((8, 6)), kinds[0])
    held = file.add("DequantizeLinear", codes, file.const(0.1), file.const(5, kinds[1]))
    x = file.quantise(file.add("MatMul", file.quantise("image"), held))
    path = file.save(tmp_path, x, check=False)
    assert refusal(path).startswith("network network.onnx must be valid ONNX:")


@pytest.mark.parametrize("kind", [TensorProto.FLOAT8E5M2, TensorProto.BOOL])
def test_weights_that_are_no_integers(tmp_path: Path, kind: int) -> None:
    file = OnnxFile(shape=(1, 4, 8), opset=19)
    data = helper.make_tensor("odd", kind, (8, 6), np.ones(48))
    file.constants.append(data)
    held = file.add("DequantizeLinear", "odd", file.const(0.1))
    x = file.quantise(file.add("MatMul", file.quantise("image"), held))
    path = file.save(tmp_path, x, check=False)
    assert "must be valid ONNX" in refusal(path) or "must be int8 or uint8" in refusal(path)


@pytest.mark.parametrize("what", ["codes quantised", "reals dequantised", "codes multiplied"])
def test_codes_for_reals_and_reals_for_codes(tmp_path: Path, what: str) -> None:
    kind = TensorProto.UINT8 if what == "codes quantised" else TensorProto.FLOAT
    file = OnnxFile(shape=(1, 4, 8), kind=kind)
    grid = file.const(0.05), file.const(0, np.int8)
    x = "image"
    if what != "reals dequantised":
        x = file.add("QuantizeLinear", x, *grid)
    if what != "codes multiplied":
        x = file.add("DequantizeLinear", x, *grid)
    x = file.add("MatMul", x, file.weights((8, 6)))
    path = file.save(tmp_path, file.quantise(x), check=False)
    assert refusal(path).startswith("network network.onnx must be valid ONNX:")


def test_undefined_type_of_a_tensor(tmp_path: Path) -> None:
    path = linear(tmp_path)
    model = onnx.load(path)
    info = helper.make_tensor_value_info(model.graph.node[-1].input[0], TensorProto.INT8, None)
    info.type.tensor_type.elem_type = 0
    model.graph.value_info.append(info)
    onnx.save(model, path)
    assert "is undefined" in refusal(path)


def test_dropout_that_trains(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    on = numpy_helper.from_array(np.array(True), "on")
    file.constants.append(on)
    x = file.add("Dropout", file.quantise("image"), file.const(0.5), "on", name="drop")
    x = file.quantise(file.add("MatMul", x, file.weights((8, 6))))
    assert refusal(file.save(tmp_path, x)) == (
        "training_mode of Dropout 'drop' must be false: export in evaluation mode"
    )
