"""Every operator of the integer graph is known to all parts that choose by its class."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import get_args

import pytest

from flows.estimate.cycles.graph_layers import graph_layers
from flows.estimate.cycles.network_formats import in_formats
from flows.estimate.machine_points import Points
from flows.mapper import check_mapping, map_network
from flows.mapper.operands import code_range
from flows.run.execute import golden_run
from flows.search.lifetimes import live_words
from models.network.graph import IntegerGraph, Node, Operator, run_graph
from models.numerics.rescale import Integers
from tests.support.random_networks import KINDS, random_codes, random_network
from tests.support.specs import PACKED, SMALL

OPERATORS = get_args(Operator)
SEEDS = range(12)
each_operator = pytest.mark.parametrize("operator", OPERATORS, ids=lambda one: one.__name__)


@cache
def example(operator: type) -> tuple[IntegerGraph, Node]:
    """A random network with the operator, and its node."""
    for kind in KINDS:
        for seed in SEEDS:
            graph = random_network(kind, seed)
            for node in graph.nodes:
                if isinstance(node.operator, operator):
                    return graph, node
    raise AssertionError(f"tests/support/random_layers.py must make layers of {operator.__name__}")


@each_operator
def test_mapped_as_the_graph_runs(operator: type) -> None:
    """The mapper emits it, and golden machine and graph agree on its result."""
    graph, node = example(operator)
    codes = random_codes(graph, 1)
    network = map_network(graph, SMALL, trace=True)
    assert {layer.output: layer.kind for layer in network.layers}[node.output] == operator.__name__
    wanted: dict[str, Integers] = {}
    run_graph(graph, codes, wanted.__setitem__)
    _, found = golden_run(network, codes[0])
    got = found[node.output]
    assert (got == wanted[node.output][0].reshape(got.shape)).all()


@each_operator
def test_its_codes_have_a_range(operator: type) -> None:
    graph, node = example(operator)
    wanted: dict[str, Integers] = {}
    run_graph(graph, random_codes(graph, 1, images=3), wanted.__setitem__)
    low, high = code_range(graph, node.output)
    assert low <= wanted[node.output].min()
    assert wanted[node.output].max() <= high


@each_operator
def test_it_is_estimated_and_searched(operator: type) -> None:
    graph, node = example(operator)
    layers = graph_layers(graph)
    assert node.output in {layer.output for layer in layers}
    assert live_words(Points.of([SMALL], "xc7"), layers)[0] > 0


@each_operator
def test_it_can_have_fewer_bits(operator: type) -> None:
    """In the number formats of a machine with row classes its codes fit the machine."""
    graph, _ = example(operator)
    spec = replace(PACKED, act_bits=6)
    check_mapping(in_formats(graph, spec), spec)
