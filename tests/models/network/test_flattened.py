"""Flattened maps before linear layers: the rewritten network computes the same codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.formats.row_classes import RowClass
from models.network.flattened import flattened, whole_input
from models.network.graph import Constant, IntegerGraph, Reshape, run_graph
from models.ops.convolution import Convolution
from models.ops.requantize import Requantize
from tests.support.random_layers import Builder

CASES = (
    "image", "tokens", "two readers", "element-wise", "constant", "lines", "several rows",
    "kernel", "twice", "output", "output after more",
)  # fmt: skip


def network(case: str, seed: int = 0, classes: Sequence[RowClass] = ()) -> IntegerGraph:
    """A network that flattens a map of several positions."""
    b = Builder(
        np.random.default_rng([seed, CASES.index(case)]), (4, 6, 10), classes=classes
    )  # fmt: skip
    source = b.conv("input", 5)
    height, width, depth = b.tensors[source].shape
    whole = (1, height * width * depth)

    def reshape(name: str, *shape: int) -> str:
        return b.add(Reshape(shape), (name,), shape)

    if case == "tokens":
        source = reshape(source, height * width, depth)
    if case in ("lines", "kernel"):
        # Two columns are one position of twice the channels.
        flat = reshape(source, height, width // 2, 2 * depth)
        return b.graph(case, b.conv(flat, 7, kernel=(1, 1) if case == "lines" else (3, 2)))
    if case == "several rows":
        return b.graph(case, b.linear(reshape(source, height, width * depth), 9))
    flat = reshape(source, *whole)
    if case == "twice":
        flat = reshape(reshape(flat, 1, *whole), *whole)
    if case == "output":
        return b.graph(case, flat)
    if case in ("element-wise", "output after more"):
        flat = b.join(b.map(flat), flat)
    if case == "output after more":
        return b.graph(case, flat)
    if case == "constant":
        flat = b.join(flat, b.add(Constant(codes=b.corners(-128, 127, whole)), (), whole))
    out = b.linear(flat, 11)
    if case == "two readers":
        out = b.join(out, b.linear(flat, 11))
    return b.graph(case, b.linear(out, 5))


@pytest.mark.parametrize("case", CASES)
def test_same_codes(case: str) -> None:
    for seed in range(3):
        graph = network(case, seed)
        made = flattened(graph)
        codes = np.random.default_rng(seed).integers(-128, 128, (2, 4, 6, 10))
        assert np.array_equal(run_graph(made, codes), run_graph(graph, codes))
        assert [n.name for n in made.nodes if isinstance(n.operator, Convolution)] == [
            n.name for n in graph.nodes if isinstance(n.operator, Convolution)
        ]
        assert flattened(made).nodes == made.nodes


@pytest.mark.parametrize("case", [c for c in CASES if not c.startswith("output")])
def test_no_reshape_moves_channels(case: str) -> None:
    made = flattened(network(case))
    for node in made.nodes:
        if isinstance(node.operator, Reshape):
            assert node.operator.shape[-1] == made.tensors[node.inputs[0]].shape[-1]


def test_readers_that_need_the_whole_row_keep_the_reshape() -> None:
    b = Builder(np.random.default_rng(0), (4, 6, 10))
    flat = b.add(Reshape((1, 240)), (b.conv("input", 10),), (1, 240))
    graph = b.graph("norm", b.join(b.norm(flat), flat))
    assert flattened(graph) is graph
    one = np.ones(240, dtype=np.int64)
    each = Requantize(bias=one, multiplier=one, shift=one)
    graph = b.graph("each", b.linear(b.add(each, (flat,), (1, 240)), 3))
    assert flattened(graph).tensors[flat].shape == (1, 240)


def test_a_network_without_flatten_is_the_same_object() -> None:
    b = Builder(np.random.default_rng(0), (4, 6, 10))
    graph = b.graph("plain", b.conv("input", 3))
    assert flattened(graph) is graph


def test_input_that_all_readers_flatten_is_laid_out_flat() -> None:
    b = Builder(np.random.default_rng(0), (4, 6, 1))
    flat = b.add(Reshape((1, 24)), ("input",), (1, 24))
    graph = b.graph("mlp", b.linear(flat, 3))
    assert whole_input(graph) == (1, 24)
    assert flattened(graph) is graph
    more = b.graph("both", b.join(b.linear(flat, 1), b.conv("input", 1)))
    assert whole_input(more) is None
