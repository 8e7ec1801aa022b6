"""The two trained networks on the default machine: every code of every image."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.mapper import map_network
from flows.onnx_import import load_network
from flows.run.execute import golden_run, run_images
from flows.work.inputs import read_inputs
from models.network.graph import run_graph
from models.numerics.rescale import Integers
from tests.support.machines import job, run_jobs, simulator
from tests.support.oracles.case import compare
from tests.support.specs import DEFAULT

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist"
IMAGES = {"vit": 2, "resnet": 3}


@pytest.mark.parametrize("name", IMAGES)
def test_images(name: str, simulators: Path, tmp_path: Path) -> None:
    """RTL output = golden machine = integer graph; at least 60 % of all MACs are used."""
    graph = load_network(EXAMPLES / f"{name}_int8.onnx")
    kind = graph.tensors[graph.input]
    codes = read_inputs(EXAMPLES / "samples.npz", kind, IMAGES[name]).codes
    network = map_network(graph, DEFAULT)
    want = run_graph(graph, codes)
    results = run_images(simulator(DEFAULT, simulators, family="xc7"), network, codes, tmp_path)
    assert len(results) == IMAGES[name]
    for index, result in enumerate(results):
        compare(f"{name} image {index}", "RTL output", result.output, want[index])
        compare(
            f"{name} image {index}", "golden machine", golden_run(network, codes[index])[0],
            want[index],
        )  # fmt: skip
    macs = sum(layer.macs for layer in network.layers)
    assert macs / DEFAULT.macs_per_cycle / results[0].cycles >= 0.6


@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_every_intermediate_tensor(name: str, simulators: Path, tmp_path: Path) -> None:
    """One image, memory stalling at random: every tensor of RTL, golden machine and graph."""
    graph = load_network(EXAMPLES / f"{name}_int8.onnx")
    codes = read_inputs(EXAMPLES / "samples.npz", graph.tensors[graph.input]).codes[20:21]
    one = job(name, graph, codes[0], DEFAULT)
    (result,) = run_jobs(simulator(DEFAULT, simulators, family="xc7"), [one], tmp_path, seed=7)
    seen: dict[str, Integers] = {}
    run_graph(graph, codes, seen.__setitem__)
    assert set(result.trace) == {node.output for node in graph.nodes}
    for tensor, got in result.trace.items():
        compare(name, tensor, got, seen[tensor][0].reshape(got.shape))
