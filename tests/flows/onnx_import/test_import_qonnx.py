"""Networks of the QONNX zoo, made QCDQ by qonnx itself, against onnxruntime."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from flows.onnx_import import NetworkError, load_network
from models.network.graph import run_graph

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[3].parent / "shared" / "data"
qcdq = pytest.importorskip("qonnx.transformation.qonnx_to_qcdq")


def scores_of(path: Path, images: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image[None]})[0] for image in images])


def converted(name: str, folder: Path) -> Path:
    """The QCDQ file that qonnx makes of one of its own."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    source = DATA / "qonnx" / name
    if not source.exists():
        pytest.skip("needs the QONNX networks of ../shared/data")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it converts the operator set itself, and says so
        model = cleanup_model(ModelWrapper(str(source))).transform(qcdq.QuantToQCDQ())
    path = folder / "qcdq.onnx"
    onnx.save(model.model, path)
    return path


def with_quantised_output(path: Path, peak: float) -> Path:
    """A quantiser behind the last layer, which these files leave float."""
    model = onnx.load(path)
    graph, last = model.graph, model.graph.output[0].name
    grid = [
        numpy_helper.from_array(np.array(peak / 127, np.float32), "last_scale"),
        numpy_helper.from_array(np.array(0, np.int8), "last_zero"),
    ]
    graph.initializer.extend(grid)
    names = [tensor.name for tensor in grid]
    graph.node.extend([
        helper.make_node("QuantizeLinear", [last, *names], ["last_codes"]),
        helper.make_node("DequantizeLinear", ["last_codes", *names], ["last_reals"]),
    ])  # fmt: skip
    shape = [d.dim_value for d in graph.output[0].type.tensor_type.shape.dim]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("last_reals", TensorProto.FLOAT, shape))
    final = path.with_name("quantised.onnx")
    onnx.save(model, final)
    return final


def test_keyword_spotter_of_finn_agrees_on_every_image(tmp_path: Path) -> None:
    """W3A3 of MLPerf Tiny, real features: 200 of 200, and every score within a code."""
    path = converted("finn_kws_w3a3_mlperf_v0.7.onnx", tmp_path)
    given = np.load(DATA / "datasets" / "finn_kws_w3a3_features_and_qonnx_out.npz")
    shape = [d.dim_value for d in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
    images = given["x"][:200].reshape(-1, *shape[1:]) * np.float32(given["input_scale"])
    plain = scores_of(path, images)
    assert np.array_equal(plain.argmax(1), given["qonnx_out"][:200].argmax(1))
    path = with_quantised_output(path, np.abs(plain).max())
    graph = load_network(path)
    codes = graph.tensors[graph.input].quantize(images.transpose(0, 2, 3, 1))
    result = graph.tensors[graph.output]
    got = result.dequantize(run_graph(graph, codes)).reshape(200, -1)
    want = scores_of(path, images)
    assert np.count_nonzero(got.argmax(1) != want.argmax(1)) == 0
    assert np.abs(got - want).max() <= 1.01 * result.scale


def test_float_output_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = converted("finn_kws_w3a3_mlperf_v0.7.onnx", tmp_path)
    with pytest.raises(NetworkError, match="must be quantised .a QuantizeLinear after it. before"):
        load_network(path)
