"""Files that would take forever, or all memory, end in one line within seconds."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from flows.onnx_import import NetworkError, load_network
from flows.onnx_import.row_formats import ROW_FORMATS_KEY
from tests.support.onnx_files import OnnxFile, compare

LONGEST = 500


def refusal(path: Path) -> str:
    with pytest.raises(NetworkError) as caught:
        load_network(path)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) <= LONGEST
    assert text.isprintable()
    return text


def saved(file: OnnxFile, folder: Path, *outputs: str) -> Path:
    """Without shape inference, which would do the work that is looked for."""
    model = helper.make_model(
        helper.make_graph(
            file.nodes,
            "network",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, file.shape)],
            [
                helper.make_tensor_value_info(o, TensorProto.FLOAT, list("abcd"[: len(file.shape)]))
                for o in outputs
            ],
            file.constants,
        ),
        opset_imports=[helper.make_opsetid("", file.opset)],
        ir_version=10,
    )
    path = folder / "network.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(autouse=True)
def within_a_gigabyte() -> Iterator[None]:
    """What this process' memory grows by; seconds are counted by benchmarks.import_fuzz."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20


@pytest.mark.parametrize("kind", ["Sigmoid", "Relu", "Neg"])
def test_five_thousand_functions_in_a_row(tmp_path: Path, kind: str) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    x = file.add("MatMul", file.quantise("image"), file.weights((8, 8)))
    for _ in range(5000):
        x = file.add(kind, x)
    path = saved(file, tmp_path, file.quantise(x))
    if kind != "Sigmoid":
        assert load_network(path).nodes
        return
    text = refusal(path)
    assert text.startswith("functions of MatMul 'matmul_")
    assert "must be at most 4,096 in a row" in text


def test_products_of_functions_within_one_another(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    x = file.quantise("image")
    for _ in range(40):
        x = file.add("Mul", x, file.add("Sigmoid", x))
    assert "within one another" in refusal(saved(file, tmp_path, file.quantise(x)))


def test_many_layers(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    x = file.quantise("image")
    for seed in range(600):
        x = file.quantise(file.add("MatMul", x, file.weights((8, 8), seed)))
    assert len(load_network(saved(file, tmp_path, x)).nodes) == 600


def test_loop_over_constants(tmp_path: Path) -> None:
    """2**62 turns: never worked out."""
    file = OnnxFile(shape=(1, 4, 8))
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["v", "v"], ["w"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("v", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("w", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    turns, go = file.const(1 << 62, np.int64), file.const(True, np.bool_)
    number = file.add("Loop", turns, go, file.const([0.0]), body=body, name="endless")
    x = file.quantise(file.add("Add", file.quantise("image"), number))
    assert refusal(saved(file, tmp_path, x)) == (
        "constant Loop 'endless' must be worked out before the file is imported: run onnxruntime's "
        "quant_pre_process or a simplifier on it"
    )


def test_random_constant(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    noise = file.add("RandomNormal", shape=[8], name="dice")
    x = file.quantise(file.add("Add", file.quantise("image"), noise))
    assert "constant RandomNormal 'dice' must be a known number" in refusal(
        saved(file, tmp_path, x)
    )


def test_constant_doubled_again_and_again(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    number = file.const(np.ones(8))
    for _ in range(40):
        number = file.add("Concat", number, number, axis=0)
    number = file.add("ReduceMax", number, keepdims=0)
    x = file.quantise(file.add("Add", file.quantise("image"), number))
    assert "must have at most 16,777,216 elements, not 33,554,432" in refusal(
        saved(file, tmp_path, x)
    )


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "Tile", "Range", "Add"])
def test_constant_larger_than_any_weight(tmp_path: Path, kind: str) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    huge = 1 << 40
    inputs = {
        "ConstantOfShape": [file.const([huge], np.int64)],
        "Expand": [file.const([1.0]), file.const([huge], np.int64)],
        "Tile": [file.const([1.0]), file.const([huge], np.int64)],
        "Range": [file.const(0.0), file.const(1e12), file.const(1.0)],
        "Add": [file.const(np.ones((1 << 13, 1))), file.const(np.ones((1, 1 << 13)))],
    }[kind]
    number = file.add("ReduceMax", file.add(kind, *inputs, name="huge"), keepdims=0)
    x = file.quantise(file.add("Add", file.quantise("image"), number))
    assert "must have at most 16,777,216 elements" in refusal(saved(file, tmp_path, x))


@pytest.mark.parametrize("shape", [(1, 3, 10**9, 8), (1, 1 << 31, 8), (1, 3, 1 << 14, 1 << 14)])
def test_image_that_no_machine_holds(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file = OnnxFile(shape=shape)
    text = refusal(saved(file, tmp_path, file.quantise("image")))
    assert text.startswith("input 'image' must have at most 4,194,304 elements, not ")


def test_activation_that_no_machine_holds(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 3, 512, 512))
    x = file.add("Conv", file.quantise("image"), file.weights((1000, 3, 1, 1)))
    assert "must have at most 4,194,304 elements, not 262,144,000" in refusal(
        saved(file, tmp_path, file.quantise(x))
    )


def with_metadata(tmp_path: Path, content: object) -> Path:
    file = OnnxFile(shape=(1, 4, 8))
    x = file.quantise(file.add("MatMul", file.quantise("image"), file.weights((8, 8))))
    path = file.save(tmp_path, x)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {ROW_FORMATS_KEY: json.dumps(content)})
    onnx.save(model, path)
    return path


def test_row_formats_of_a_billion_rows(tmp_path: Path) -> None:
    runs = [["fixed8", (1 << 20) - 1]] * 40
    path = with_metadata(tmp_path, {"version": 1, "rows": {"const_5": runs}})
    assert "must name at most 1,048,576 rows of weights" in refusal(path)


def test_names_of_any_length_and_content(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    name = "\x1b[31m" + "n" * 9000
    x = file.add("CumSum", file.quantise("image"), file.const(1, np.int64), name=name)
    text = refusal(saved(file, tmp_path, file.quantise(x)))
    assert "\x1b" not in text
    assert text.endswith("not CumSum (rowmac operators lists them)")
    file = OnnxFile(shape=(1, 4, 8))
    indices = file.const(np.arange(200_000), np.int64)
    path = saved(file, tmp_path, file.quantise(file.add("Gather", file.quantise("image"), indices)))
    text = refusal(path)
    assert text.startswith("parameters of Gather 'gather_")
    assert "must fit its input of shape [1, 4, 8], not [ 0, 1, 2, ...," in text


@pytest.mark.parametrize("change", ["short", "long", "type", "string"])
def test_initialiser_whose_bytes_do_not_fit(tmp_path: Path, change: str) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    x = file.quantise(file.add("MatMul", file.quantise("image"), file.weights((8, 8))))
    path = file.save(tmp_path, x)
    model = onnx.load(path)
    weight = next(i for i in model.graph.initializer if len(i.dims) == 2)
    if change == "short":
        weight.raw_data = weight.raw_data[:-1]
    elif change == "long":
        weight.raw_data += b"\0"
    elif change == "type":
        weight.data_type = TensorProto.INT16
    else:
        model.graph.initializer.remove(weight)
        node = helper.make_node("Constant", [], [weight.name], value_string=b"text")
        model.graph.node.insert(0, node)
    onnx.save(model, path)
    refusal(path)


def test_external_data_that_is_not_there(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    x = file.quantise(file.add("MatMul", file.quantise("image"), file.weights((8, 8))))
    path = file.save(tmp_path, x)
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert load_network(path).nodes
    (tmp_path / "weights.bin").unlink()
    text = refusal(path)
    assert text.startswith("external data of network network.onnx must be where the file says:")


def test_function_of_many_nodes_is_exact(tmp_path: Path) -> None:
    """What is allowed of such rows is imported as every other function."""
    file = OnnxFile(shape=(1, 4, 8))
    x = file.add("MatMul", file.quantise("image", 0.0301), file.weights((8, 8), scale=0.0207))
    x = file.quantise(x, 0.0313)
    for _ in range(300):
        x = file.add("Mul", file.add("Tanh", x), file.const(1.01))
    steps, _ = compare(file.save(tmp_path, file.quantise(x, 0.002)))
    assert steps <= 2


def test_file_of_constants_alone(tmp_path: Path) -> None:
    file = OnnxFile(shape=(1, 4, 8))
    file.constants.append(numpy_helper.from_array(np.array(1, np.float32), "one"))
    number = file.quantise("one")
    wide = file.add("Expand", number, file.const([1, 4, 8], np.int64))
    text = refusal(saved(file, tmp_path, wide))
    assert "must depend on the input, not be a constant" in text
