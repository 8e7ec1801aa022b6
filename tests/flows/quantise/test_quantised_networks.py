"""Whole networks by every policy: the file, onnxruntime on it, and the integer graph agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from flows.onnx_import import load_network
from flows.onnx_import.row_formats import read_row_formats
from flows.quantise import POLICIES, Choices, find_policy, quantise_network, read_float_network
from flows.quantise.float_layers import find_layers
from flows.quantise.float_network import FloatNetwork
from flows.quantise.pipeline import Quantised
from flows.quantise.runtime import Runner
from models.formats import find_format
from models.network.graph import IntegerGraph, run_graph
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution
from tests.support.float_files import NETWORKS, images

pytestmark = pytest.mark.slow

TOLERANCE = {"cnn": 2, "vit": 12}
"""Codes of 256 at the output, as in tests/flows/onnx_import/test_import.py."""
CASES = [(name, policy) for name in NETWORKS for policy in POLICIES]


def quantised(
    folder: Path, name: str, policy: str, **choices: Any
) -> tuple[FloatNetwork, Quantised, Path]:
    """The float network, the result, and the path it was written to."""
    make, shape = NETWORKS[name]
    network = read_float_network(make(folder))
    chosen = find_policy(policy)
    found = quantise_network(
        network, images(shape), Choices(policy=chosen, ratio=chosen.ratio, **choices)
    )
    path = folder / "quantised.onnx"
    onnx.checker.check_model(found.model, full_check=True)
    onnx.save(found.model, path)
    return network, found, path


def outputs(
    network: FloatNetwork, path: Path, name: str, count: int = 32
) -> tuple[np.ndarray, np.ndarray, np.ndarray, IntegerGraph]:
    """Of the float network, of onnxruntime on the file, and of the integer graph."""
    x = images(NETWORKS[name][1], count, seed=2)
    graph = load_network(path)
    source, target = graph.tensors[graph.input], graph.tensors[graph.output]
    codes = source.quantize(x.transpose(0, 2, 3, 1).astype(np.float64))
    integer = target.dequantize(run_graph(graph, codes)).reshape(count, -1)
    real = Runner(onnx.load(path)).outputs(x)
    return Runner(network.model).outputs(x), real, integer, graph


@pytest.mark.parametrize(("name", "policy"), CASES)
def test_every_policy(tmp_path: Path, name: str, policy: str) -> None:
    network, found, path = quantised(tmp_path, name, policy)
    plain, real, integer, graph = outputs(network, path, name)
    step = graph.tensors[graph.output].scale
    assert np.abs(integer - real).max() <= TOLERANCE[name] * step * 1.01
    loss = np.square(integer - plain).mean() / plain.var()
    assert loss < (0.8 if policy == "vaqf" else 0.12)
    # Formats of the file, of the integer graph and of the result are the same, on their grids.
    kinds = read_row_formats(onnx.load(path), "file")
    stored = {i.name: numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer}
    for (layer, fitted), (title, formats) in zip(found.layers, kinds.items(), strict=True):
        assert formats == fitted.formats
        assert stored[title].dtype == np.int8
        table = stored[title].reshape(layer.rows, -1) if layer.axis == 0 else stored[title].T
        for row, kind in zip(table, formats, strict=True):
            grid = find_format(kind).grid
            assert np.isin(row, grid).all()
            assert row.min() >= -grid.max()
    graph_kinds = [
        n.operator.row_formats for n in graph.nodes if isinstance(n.operator, Convolution)
    ]
    assert sorted(sum(graph_kinds, ())) == sorted(sum(kinds.values(), ()))


@pytest.mark.parametrize("policy", ["int8", "f8net"])
def test_operands_of_attention(tmp_path: Path, policy: str) -> None:
    """Zero points of 0, and no -128 among keys and values."""
    _, _, path = quantised(tmp_path, "vit", policy)
    graph = load_network(path)
    makers = {node.output: node.operator for node in graph.nodes}
    products = [
        n for n in graph.nodes if isinstance(n.operator, AttentionScores | AttentionContext)
    ]
    assert len(products) == 2
    for node in products:
        assert [graph.tensors[name].zero_point for name in node.inputs] == [0, 0]
        second = makers[node.inputs[1]]
        assert isinstance(second, Convolution)
        assert second.requantize.low == -127


@pytest.mark.parametrize("name", list(NETWORKS))
def test_f8net_only_shifts(tmp_path: Path, name: str) -> None:
    _, _, path = quantised(tmp_path, name, "f8net")
    layers = [n.operator for n in load_network(path).nodes if isinstance(n.operator, Convolution)]
    assert layers
    for layer in layers:
        multiplier = layer.requantize.multiplier
        assert np.all(multiplier & (multiplier - 1) == 0)
        assert layer.requantize.rounding.name == "HALF_EVEN"


@pytest.mark.parametrize("name", list(NETWORKS))
def test_activation_bits(tmp_path: Path, name: str) -> None:
    network, found, path = quantised(tmp_path, name, "int4", activation_bits=4)
    *_, graph = outputs(network, path, name)
    seen = {}
    codes = np.random.default_rng(0).integers(-128, 128, (4, *graph.tensors[graph.input].shape))
    run_graph(graph, codes, keep=lambda name, value: seen.update({name: value}))
    read = [n.inputs[0] for n in graph.nodes if isinstance(n.operator, Convolution)]
    inner = {tensor for tensor in read if tensor not in (read[0], read[-1])}
    assert inner
    for tensor in inner:
        assert seen[tensor].min() >= -8
        assert seen[tensor].max() <= 7
    assert max(np.abs(seen[read[-1]]).max(), np.abs(codes).max()) > 8


def test_ends_are_kept_where_the_policy_says_so(tmp_path: Path) -> None:
    _, found, _ = quantised(tmp_path, "cnn", "int4")
    kinds = [set(fitted.formats) for _, fitted in found.layers]
    assert kinds == [{"fixed8"}, {"fixed4"}, {"fixed4"}, {"fixed4"}, {"fixed8"}]
    _, found, _ = quantised(tmp_path, "cnn", "int4", keep_ends=False)
    assert {kind for _, fitted in found.layers for kind in fitted.formats} == {"fixed4"}


def test_gptq_is_better_than_nearest_rounding(tmp_path: Path) -> None:
    losses = {}
    for rounding in ("gptq", "nearest"):
        network, _, path = quantised(tmp_path, "cnn", "int4", rounding=rounding)
        plain, _, integer, _ = outputs(network, path, "cnn", 128)
        losses[rounding] = np.square(integer - plain).mean()
    assert losses["gptq"] < 0.95 * losses["nearest"]


def test_same_input_same_bytes(tmp_path: Path) -> None:
    first, second = (quantised(tmp_path, "vit", "rmsmp")[1].model for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )


def test_batch_normalisation_is_folded_before_rows_are_looked_at(tmp_path: Path) -> None:
    make, _ = NETWORKS["cnn"]
    network = read_float_network(make(tmp_path))
    assert "BatchNormalization" not in {node.op_type for node in network.model.graph.node}
    assert [layer.rows for layer in find_layers(network)] == [20, 24, 24, 24, 6]
