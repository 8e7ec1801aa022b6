"""Networks the trainer never saw: imported, and compared with onnxruntime.

Comparison rule. Both sides start from the same image codes. Convolutional networks differ by at
most 1 code at the output (2 where asymmetric weights were rounded anew or the file quantises only
some operators). Vision transformers differ because LayerNorm and softmax are integer here, and
because single precision decides differently where a number lies between two codes: at most
``VIT_MAX`` codes of 256 for any output and ``VIT_MEAN`` on average; where the file keeps numbers
float between its operators, and they are codes of 8 bits here, ``VIT_PARTLY_MAX`` and
``VIT_PARTLY_MEAN``. Neither side is right: the mean distance of ours from the float network is at
most ``FLOAT_RATIO`` times that of onnxruntime's, where the file quantises every operator.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.network.graph import IntegerGraph

pytest.importorskip("torch", reason="torch is an optional extra: pip install rowmac[train]")

import onnxruntime
import torch
from torch import nn

from flows.onnx_import import NetworkError, load_network
from models.network.graph import run_graph
from tests.support import networks
from tests.support.networks import INT8, UINT8, Recipe

VIT_MAX, VIT_MEAN = 8, 2.5
VIT_PARTLY_MAX, VIT_PARTLY_MEAN = 12, 3.0
FLOAT_RATIO = 1.5
VIT_SHAPE, CNN_SHAPE = (3, 20, 20), (3, 27, 31)
VIT_OPERATORS = {
    "AttentionContext": 2,
    "AttentionScores": 2,
    "Add": 5,
    "ConcatTokens": 1,
    "Constant": 2,
    "Convolution": 14,
    "LayerNorm": 5,
    "Reshape": 1,
    "SelectTokens": 1,
    "Softmax": 2,
}
"""Two blocks: patches, q, k, v, projection, two layers of the perceptron a block, head."""

UNPREPARED = {"unprepared", "old-unprepared", "dynamic-batch", "old-dynamic-batch"}
"""Recipes whose files have a quantiser between each product and its bias: an addition more each."""
PRODUCTS = ("Conv", "MatMul", "Gemm")
OLD14 = Recipe(dynamo=False, opset=14, kinds=PRODUCTS)
OLD17 = Recipe(dynamo=False, opset=17, prepare=False)
RECIPES = {
    "int8": Recipe(),
    "one-gelu-node": Recipe(opset=20),
    "opset-21": Recipe(opset=21),
    "unprepared": Recipe(prepare=False),
    "uint8": Recipe(activations=UINT8),
    "uint8-per-tensor": Recipe(activations=UINT8, weights=UINT8, per_channel=False),
    "int8-per-tensor": Recipe(per_channel=False),
    "old-decomposed": OLD14,
    "old-unprepared": OLD17,
    "dynamic-batch": Recipe(dynamic_batch=True),
    "old-dynamic-batch": Recipe(dynamic_batch=True, dynamo=False, opset=17),
    "symmetric": Recipe(options=(("ActivationSymmetric", True),)),
    "pair-per-consumer": Recipe(options=(("DedicatedQDQPair", True),)),
    "products-only": Recipe(kinds=PRODUCTS),
}


def onnx_scores(path: Path, images: np.ndarray) -> np.ndarray:
    """What onnxruntime makes of the images, one by one, with its graph optimisations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    return np.concatenate([session.run(None, {"image": image[None]})[0] for image in images])


def scores(
    path: Path, shape: tuple[int, ...], count: int = 24
) -> tuple[np.ndarray, np.ndarray, IntegerGraph]:
    """Outputs of onnxruntime and of the integer graph, and the graph."""
    images = networks.images(shape, count, seed=2)
    want = onnx_scores(path, images)
    graph = load_network(path)
    codes = graph.tensors[graph.input].quantize(images.transpose(0, 2, 3, 1))
    kind = graph.tensors[graph.output]
    got = kind.dequantize(run_graph(graph, codes)).reshape(want.shape)
    assert want.std() > 20 * kind.scale, "the outputs must be worth comparing"
    return want, got, graph


def differences(path: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, IntegerGraph]:
    """Output differences in codes, and the graph."""
    want, got, graph = scores(path, shape)
    return np.rint(np.abs(got - want) / graph.tensors[graph.output].scale), graph


def check_vit(path: Path, shape: tuple[int, ...], *, all_quantised: bool = True) -> IntegerGraph:
    """Within the limits for vision transformers; gives the graph."""
    want, got, graph = scores(path, shape)
    steps = np.rint(np.abs(got - want) / graph.tensors[graph.output].scale)
    most, mean = (VIT_MAX, VIT_MEAN) if all_quantised else (VIT_PARTLY_MAX, VIT_PARTLY_MEAN)
    assert steps.max() <= most
    assert steps.mean() <= mean
    if all_quantised:
        real = onnx_scores(path.with_name("float.onnx"), networks.images(shape, len(got), seed=2))
        assert np.abs(got - real).mean() <= FLOAT_RATIO * np.abs(want - real).mean()
    return graph


def operators(graph: IntegerGraph) -> dict[str, int]:
    return dict(Counter(type(node.operator).__name__ for node in graph.nodes))


def check_additions(found: dict[str, int], layers: int) -> None:
    """So many offsets behind quantisers are additions of one row; no product is added for them."""
    for name in ("Add", "Constant"):
        assert found[name] == VIT_OPERATORS[name] + layers
    assert all(found[name] == count for name, count in VIT_OPERATORS.items() if name[0] in "LS")


def vit(**parameters: Any) -> nn.Module:
    torch.manual_seed(0)
    return networks.randomise(networks.Vit(**parameters), seed=3)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_vit_of_every_recipe(tmp_path: Path, recipe: Recipe) -> None:
    path = networks.make(vit(), VIT_SHAPE, tmp_path, recipe)
    graph = check_vit(path, VIT_SHAPE, all_quantised=not recipe.kinds)
    found = operators(graph)
    if recipe in (RECIPES[name] for name in UNPREPARED):
        check_additions(found, layers=12)
    else:
        assert found == VIT_OPERATORS


@pytest.mark.parametrize(
    "attention",
    [networks.SplitAttention, networks.ScaledQueryAttention, networks.TorchAttention],
    ids=lambda kind: kind.__name__,
)
@pytest.mark.parametrize("recipe", [Recipe(), OLD17], ids=["int8", "old-unprepared"])
def test_vit_of_every_form_of_attention(
    tmp_path: Path, attention: networks.Attention, recipe: Recipe
) -> None:
    path = networks.make(vit(attention=attention), VIT_SHAPE, tmp_path, recipe)
    found = operators(check_vit(path, VIT_SHAPE))
    if recipe == OLD17:
        assert found["Convolution"] == VIT_OPERATORS["Convolution"]
        assert found["Add"] - VIT_OPERATORS["Add"] == found["Constant"] - VIT_OPERATORS["Constant"]
    else:
        assert found == VIT_OPERATORS


@pytest.mark.parametrize(
    "parameters",
    [
        {"activation": nn.SiLU},
        {"activation": lambda: nn.GELU(approximate="tanh")},
        {"scale": True},
        {"pooled": True},
        {"size": 14, "patch": 7, "channels": 33, "heads": 3, "depth": 1, "hidden": 19},
    ],
    ids=["silu", "tanh-gelu", "layer-scale", "mean-of-tokens", "odd-sizes"],
)
@pytest.mark.parametrize("recipe", [Recipe(), OLD14], ids=["int8", "old-decomposed"])
def test_vit_of_other_layers(tmp_path: Path, parameters: dict[str, Any], recipe: Recipe) -> None:
    shape = (3, parameters.get("size", 20), parameters.get("size", 20))
    path = networks.make(vit(**parameters), shape, tmp_path, recipe)
    if recipe.kinds and "pooled" in parameters:
        # A mean needs the grid of what it averages, and here the LayerNorm before it is float.
        with pytest.raises(NetworkError, match=r"must be quantised .* before ReduceMean"):
            load_network(path)
        return
    graph = check_vit(path, shape, all_quantised=not recipe.kinds)
    assert operators(graph)["LayerNorm"] == 2 * parameters.get("depth", 2) + 1


def test_quantisers_between_the_steps_of_a_layer_norm_are_refused(tmp_path: Path) -> None:
    path = networks.make(vit(depth=1), VIT_SHAPE, tmp_path, Recipe(dynamo=False, opset=14))
    with pytest.raises(NetworkError) as caught:
        load_network(path)
    assert str(caught.value).startswith("steps of the layer normalisation that ends at Div '")
    assert "export with opset_version=17 or newer, where it is one node" in str(caught.value)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_residual_network_of_every_recipe(tmp_path: Path, recipe: Recipe) -> None:
    torch.manual_seed(0)
    model = networks.randomise(networks.ResNet(), seed=3)
    path = networks.make(model, CNN_SHAPE, tmp_path, recipe)
    steps, graph = differences(path, CNN_SHAPE)
    found = operators(graph)
    if recipe.kinds:
        # The file keeps the mean float before the last product: on the image's grid here.
        assert found.pop("Requantize") == 1
    assert found == {"Add": 3, "AveragePool": 1, "Convolution": 13, "MaxPool": 1, "Reshape": 1}
    assert steps.max() <= (2 if recipe.kinds or recipe.weights is UINT8 else 1)


@pytest.mark.parametrize("recipe", [Recipe(), OLD17], ids=["int8", "old-unprepared"])
def test_flattened_image_before_a_linear_layer(tmp_path: Path, recipe: Recipe) -> None:
    torch.manual_seed(0)
    model = networks.randomise(networks.ResNet(flatten=True), seed=3)
    path = networks.make(model, (3, 32, 32), tmp_path, recipe)
    steps, graph = differences(path, (3, 32, 32))
    assert graph.tensors[graph.output].shape == (1, 6)
    assert steps.max() <= 1


@pytest.mark.parametrize("recipe", [Recipe(), OLD17], ids=["int8", "old-unprepared"])
def test_groups_dilation_and_tables(tmp_path: Path, recipe: Recipe) -> None:
    torch.manual_seed(0)
    model = networks.randomise(networks.Mobile(), seed=3)
    path = networks.make(model, (3, 26, 22), tmp_path, recipe)
    steps, graph = differences(path, (3, 26, 22))
    assert operators(graph) == {"AveragePool": 2, "Convolution": 5, "Reshape": 1}
    tables = [getattr(node.operator, "requantize", None) for node in graph.nodes]
    assert sum(t is not None and t.table is not None for t in tables) == 2
    assert steps.max() <= 1


def test_signed_and_unsigned_files_give_the_same_codes(tmp_path: Path) -> None:
    graphs = []
    for name, kind in (("signed", INT8), ("unsigned", UINT8)):
        folder = tmp_path / name
        folder.mkdir()
        path = networks.make(vit(), VIT_SHAPE, folder, Recipe(activations=kind))
        graphs.append(load_network(path))
    images = networks.images(VIT_SHAPE, 4, seed=5)
    results = [
        run_graph(g, g.tensors[g.input].quantize(images.transpose(0, 2, 3, 1))) for g in graphs
    ]
    assert np.array_equal(results[0], results[1])
