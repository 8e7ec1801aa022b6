"""The committed networks: small enough, accurate, and the same in integers as in onnxruntime."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from flows.onnx_import import load_network
from models.network.graph import run_graph
from models.ops.convolution import Convolution

FOLDER = Path(__file__).parents[2] / "examples" / "fashion_mnist"
LIMITS = {"vit": (24, 2.0), "resnet": (2, 0.1)}
"""Largest and mean difference of the outputs, in codes."""


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    with np.load(FOLDER / "samples.npz") as file:
        return file["x"], file["y"]


def test_samples(samples: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = samples
    assert images.shape == (64, 1, 28, 28)
    assert images.dtype == np.float32
    assert labels.shape == (64,)
    assert "MIT License" in (FOLDER / "LICENSE.fashion-mnist").read_text()


@pytest.mark.parametrize("name", LIMITS)
def test_file_is_below_a_megabyte(name: str) -> None:
    assert (FOLDER / f"{name}_int8.onnx").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", LIMITS)
def test_integer_graph_agrees_with_onnxruntime(
    name: str, samples: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = samples
    path = FOLDER / f"{name}_int8.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options)
    want = np.concatenate([session.run(None, {"x": image[None]})[0] for image in images])
    graph = load_network(path)
    codes = graph.tensors[graph.input].quantize(images.transpose(0, 2, 3, 1))
    kind = graph.tensors[graph.output]
    got = kind.dequantize(run_graph(graph, codes)).reshape(want.shape)
    steps = np.rint(np.abs(got - want) / kind.scale)
    largest, mean = LIMITS[name]
    assert steps.max() <= largest
    assert steps.mean() <= mean
    assert np.mean(got.argmax(1) == labels) >= 0.85


def test_vit_has_what_it_must_have() -> None:
    graph = load_network(FOLDER / "vit_int8.onnx")
    count = Counter(type(node.operator).__name__ for node in graph.nodes)
    assert count["AttentionScores"] == count["AttentionContext"] == count["Softmax"] == 4
    assert count["LayerNorm"] == 9
    assert count["Requantize"] == 0
    tables = [getattr(node.operator, "requantize", None) for node in graph.nodes]
    # GELU of four blocks; queries and keys are scaled behind a quantiser, which rounds twice.
    assert sum(t is not None and t.table is not None for t in tables) == 4 + 2 * 4


def test_residual_network_has_what_it_must_have() -> None:
    graph = load_network(FOLDER / "resnet_int8.onnx")
    convolutions = [n.operator for n in graph.nodes if isinstance(n.operator, Convolution)]
    kernels = {c.weights.shape[1:3] for c in convolutions}
    assert kernels == {(3, 3), (1, 1)}
    assert {c.stride for c in convolutions} == {(1, 1), (2, 2)}
    assert sum(type(n.operator).__name__ == "Add" for n in graph.nodes) == 5
