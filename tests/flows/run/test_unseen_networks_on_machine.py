"""Two networks that the repo's trainer never saw, from torch export to the RTL, exact."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is an optional extra: pip install rowmac[train]")

import torch

from flows.onnx_import import load_network
from models.network.graph import run_graph
from tests.support import networks
from tests.support.machines import job, run_jobs, simulator
from tests.support.networks import UINT8, Recipe
from tests.support.oracles.case import compare
from tests.support.specs import DEFAULT

SHAPES = {"vit": (3, 20, 20), "resnet": (3, 27, 31)}
IMAGES = 2


def test_rtl_equals_golden(simulators: Path, tmp_path: Path) -> None:
    """A ViT with one-node GELU and a residual CNN with uint8 activations, every tensor."""
    torch.manual_seed(0)
    models = {
        "vit": (networks.Vit(), Recipe(opset=20)),
        "resnet": (networks.ResNet(), Recipe(activations=UINT8)),
    }
    jobs, wants = [], []
    for name, (model, recipe) in models.items():
        shape = SHAPES[name]
        folder = tmp_path / name
        folder.mkdir()
        path = networks.make(networks.randomise(model, seed=3), shape, folder, recipe)
        graph = load_network(path)
        images = networks.images(shape, IMAGES, seed=4)
        codes = graph.tensors[graph.input].quantize(images.transpose(0, 2, 3, 1))
        wants += list(run_graph(graph, codes))
        jobs += [job(f"{name} image {i}", graph, image, DEFAULT) for i, image in enumerate(codes)]
    system = simulator(DEFAULT, simulators, family="xc7")
    results = run_jobs(system, jobs, tmp_path / "work", seed=21)
    for one, result, want in zip(jobs, results, wants, strict=True):
        compare(one.name, "output", result.output, want)
