"""The function of docs/debugging.md finds the first wrong layer, on golden machine and RTL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.mapper import MappedNetwork, map_network
from flows.onnx_import import load_network
from flows.run.execute import golden_run, run_images
from flows.work.inputs import read_inputs
from models.network.graph import IntegerGraph, run_graph
from models.numerics.rescale import Integers
from tests.support.machines import simulator
from tests.support.pages import ROOT
from tests.support.specs import DEFAULT

EXAMPLES = ROOT / "examples" / "fashion_mnist"


def first_difference(
    network: MappedNetwork, found: Mapping[str, Integers], wanted: Mapping[str, Integers]
) -> str | None:
    """The first layer, in program order, whose output has a wrong code; None if none has."""
    for layer in network.layers:
        got = found[layer.output]
        want = wanted[layer.output].reshape(got.shape)
        wrong = np.argwhere(got != want)
        if len(wrong):
            at = tuple(wrong[0].tolist())
            place = f"{layer.name} (tag {layer.tag}): {layer.output}{list(at)}"
            return f"{place} is {got[at]}, not {want[at]}"
    return None


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return load_network(EXAMPLES / "resnet_int8.onnx")


@pytest.fixture(scope="module")
def codes(graph: IntegerGraph) -> Integers:
    return read_inputs(EXAMPLES / "samples.npz", graph.tensors[graph.input], 1).codes


@pytest.fixture(scope="module")
def wanted(graph: IntegerGraph, codes: Integers) -> dict[str, Integers]:
    kept: dict[str, Integers] = {}
    run_graph(graph, codes, keep=kept.__setitem__)
    return {name: tensor[0] for name, tensor in kept.items()}


def test_a_wrong_constant_is_found_where_it_is_used(
    graph: IntegerGraph, codes: Integers, wanted: dict[str, Integers]
) -> None:
    network = map_network(graph, DEFAULT, trace=True)
    assert first_difference(network, golden_run(network, codes[0])[1], wanted) is None
    image = network.image.copy()
    image[len(image) // 2] ^= 0x40
    _, found = golden_run(replace(network, image=image), codes[0])
    equal = [np.array_equal(found[x.output], wanted[x.output].reshape(found[x.output].shape))
             for x in network.layers]  # fmt: skip
    first = network.layers[equal.index(False)]
    assert first.tag > 1
    said = first_difference(network, found, wanted)
    assert said is not None
    assert said.startswith(f"{first.name} (tag {first.tag}): {first.output}[")


def test_the_rtl_has_the_same_trace(
    graph: IntegerGraph, codes: Integers, wanted: dict[str, Integers], simulators: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    network = map_network(graph, DEFAULT, trace=True)
    # The machine of the tests of whole networks, so that it is built once.
    system, work = simulator(DEFAULT, simulators, family="xc7"), tmp_path
    (result,) = run_images(system, network, codes, work)
    assert first_difference(network, result.trace, wanted) is None
    assert result.trace.keys() == wanted.keys()
