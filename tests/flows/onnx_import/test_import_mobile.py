"""Networks of depthwise blocks, and with flattened maps: imported, compared, and mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is an optional extra: pip install rowmac[train]")

import onnxruntime
import torch
from torch import nn

from flows.mapper import map_network
from flows.onnx_import import load_network
from flows.run.execute import golden_run
from models.machine.spec import MachineSpec
from models.network.graph import Reshape, run_graph
from models.ops.convolution import Convolution
from tests.support import networks
from tests.support.mobile_networks import Inverted, LeNet, Perceptron
from tests.support.networks import UINT8, Recipe

RECIPES = {
    "int8": Recipe(),
    "uint8": Recipe(activations=UINT8),
    "old-unprepared": Recipe(dynamo=False, opset=17, prepare=False),
}
MACHINES = {
    "plain": MachineSpec(),
    "fixed": MachineSpec().with_classes([("fixed8", 16)]),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize(
    ("model", "shape"),
    [(Inverted, (3, 24, 20)), (LeNet, (1, 28, 28)), (Perceptron, (1, 12, 12))],
)
def test_codes_are_onnxruntimes_and_the_golden_machines(
    model: type[nn.Module], shape: tuple[int, ...], recipe: Recipe, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    path = networks.make(networks.randomise(model(), seed=3), shape, tmp_path, recipe)
    images = networks.images(shape, 6, seed=5)
    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    want = np.concatenate([session.run(None, {name: image[None]})[0] for image in images])
    graph = load_network(path)
    entry, kind = graph.tensors[graph.input], graph.tensors[graph.output]
    codes = entry.quantize(images.transpose(0, 2, 3, 1).astype(np.float64))
    got = run_graph(graph, codes)
    assert np.abs(kind.dequantize(got).reshape(want.shape) - want).max() / kind.scale < 2.5
    groups = {n.operator.groups for n in graph.nodes if isinstance(n.operator, Convolution)}
    assert groups == ({1, 5, 96, 144} if model is Inverted else {1})
    flat = [n for n in graph.nodes if isinstance(n.operator, Reshape)]
    assert len(flat) == 1
    for spec in MACHINES.values():
        output, _ = golden_run(map_network(graph, spec), codes[0])
        assert np.array_equal(output, got[0])
