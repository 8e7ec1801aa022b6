"""The Python examples of docs/guides/quantise.md and docs/guides/networks.md, on small networks."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest

from flows.onnx_import import load_network
from flows.quantise import Choices, find_policy, quantise_network, read_float_network
from models.network.graph import run_graph
from models.ops.convolution import Convolution
from tests.support.float_files import CNN_SHAPE, cnn

pytestmark = pytest.mark.slow


def test_by_a_policy(tmp_path: Path) -> None:
    source, target = cnn(tmp_path), tmp_path / "network.onnx"
    images = np.random.default_rng(1).normal(size=(16, *CNN_SHAPE)).astype(np.float32)
    network = read_float_network(source)
    policy = find_policy("rmsmp")
    found = quantise_network(network, images, Choices(policy=policy, ratio=policy.ratio))
    onnx.save(found.model, target)
    operators = [node.operator for node in load_network(target).nodes]
    used = {name for one in operators if isinstance(one, Convolution) for name in one.formats}
    assert used == set(policy.formats)


def test_by_onnxruntime(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="exporting networks needs torch")
    from examples.fashion_mnist.quantise import export, quantise

    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU()).eval()
    shape = (1, 6, 6)
    images = np.random.default_rng(1).normal(size=(16, *shape)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        export(model, shape, tmp_path / "float.onnx")
    quantise(tmp_path / "float.onnx", tmp_path / "network.onnx", images)
    graph = load_network(tmp_path / "network.onnx")
    source, result = graph.tensors[graph.input], graph.tensors[graph.output]
    codes = source.quantize(images[:4].transpose(0, 2, 3, 1).astype(np.float64))
    want = model(torch.tensor(images[:4])).detach().numpy().transpose(0, 2, 3, 1)
    got = result.dequantize(run_graph(graph, codes)).reshape(want.shape)
    assert np.abs(got - want).max() < 0.05 * np.abs(want).max()
