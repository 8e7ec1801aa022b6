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


class Block(nn.Module):
    """MobileNetV2's: widen, depthwise, narrow without activation, and add where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        width = 6 * inputs
        self.same = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU6(),
            nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU6(),
            nn.Conv2d(width, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.same else self.body(x)


class Inverted(nn.Module):
    """Three such blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU6(), Block(16, 24, 1), Block(24, 24, 1),
            Block(24, 20, 2), nn.Conv2d(20, 30, 3, 1, 1, groups=5), nn.ReLU6(),
        )  # fmt: skip
        self.head = nn.Linear(30, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean((2, 3)))


class LeNet(nn.Module):
    """Two convolutions and three linear layers, the first on a flattened map."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84),
            nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Perceptron(nn.Module):
    """Linear layers on a flattened image."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(12 * 12, 40), nn.ReLU(), nn.Linear(40, 10)
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


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
