"""Multiply-accumulates are the network's own: zeros that fill up a grouped convolution are none."""

from dataclasses import replace

import pytest

from flows.estimate.cycles.graph_layers import graph_layers
from flows.estimate.cycles.layer_graphs import layer_graph
from flows.mapper import map_network
from models.machine.spec import MachineSpec
from models.network.workloads import find_workload
from models.ops.convolution import Convolution


@pytest.mark.parametrize("name", ["stem", "block0.depthwise", "block0.pointwise"])
def test_macs_are_those_of_the_workload(name: str) -> None:
    shape = next(layer for layer in find_workload("ds-cnn").layers if layer.name == name)
    graph = layer_graph(shape)
    assert sum(layer.macs for layer in map_network(graph, MachineSpec()).layers) == shape.macs
    assert sum(layer.macs for layer in graph_layers(graph)) == shape.macs


def test_a_copy_by_an_identity_matrix_is_no_work() -> None:
    shape = next(x for x in find_workload("ds-cnn").layers if x.name == "block0.pointwise")
    graph = layer_graph(shape)
    node = graph.nodes[-1]
    assert isinstance(node.operator, Convolution)
    assert node.operator.macs_per_position == node.operator.weights.size
    copy = replace(graph, nodes=(replace(node, operator=replace(node.operator, products=0)),))
    assert not any(layer.macs for layer in map_network(copy, MachineSpec()).layers)
