"""Every operator of the integer graph is known to all parts that choose by its class."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from flows.estimate.cycles.graph_layers import graph_layers
from flows.estimate.cycles.network_formats import in_formats
from flows.estimate.machine_points import Points
from flows.mapper import check_mapping, map_network
from flows.mapper.operands import code_range
from flows.mapper.order import PATIENT
from flows.run.execute import golden_run
from flows.search.lifetimes import live_words
from models.machine.units import Unit
from models.network.graph import ConcatTokens, IntegerGraph, Node, Operator, run_graph
from models.numerics.rescale import Integers
from models.program.descriptor import decode_program
from tests.support.random_networks import KINDS, random_codes, random_network
from tests.support.specs import PACKED, SMALL

OPERATORS = get_args(Operator)
SEEDS = range(12)
ROOT = Path(__file__).parents[3]
RECIPE = "see docs/how-to/operator.md"
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
    raise AssertionError(
        f"tests/support/random_networks.py must make networks with {operator.__name__}, by a "
        f"method of Builder in random_layers.py beside it; {RECIPE}"
    )


@contextmanager
def known_to(place: str, operator: type) -> Iterator[None]:
    """Say which file is to be looked at where an operator makes it fail."""
    try:
        yield
    except Exception as error:
        raise AssertionError(
            f"{place} must have a case for {operator.__name__}; {RECIPE} "
            f"({type(error).__name__}: {error})"
        ) from error


@each_operator
def test_mapped_as_the_graph_runs(operator: type) -> None:
    """The mapper emits it, and golden machine and graph agree on its result."""
    graph, node = example(operator)
    codes = random_codes(graph, 1)
    with known_to("Mapper._node of flows/mapper/mapping.py", operator):
        network = map_network(graph, SMALL, trace=True)
    assert {layer.output: layer.kind for layer in network.layers}[node.output] == operator.__name__
    wanted: dict[str, Integers] = {}
    with known_to("run_operator of models/network/graph.py", operator):
        run_graph(graph, codes, wanted.__setitem__)
    _, found = golden_run(network, codes[0])
    got = found[node.output]
    assert (got == wanted[node.output][0].reshape(got.shape)).all()


@each_operator
def test_it_waits_if_the_vector_unit_alone_computes_it(operator: type) -> None:
    """Products do not stand behind vector work that they do not need."""
    graph, node = example(operator)
    network = map_network(graph, SMALL)
    (tag,) = (layer.tag for layer in network.layers if layer.output == node.output)
    program = decode_program(SMALL, network.image.tobytes())
    units = {one.unit for one in program if one.tag == tag}
    alone = Unit.VECTOR in units and Unit.MATRIX not in units
    assert issubclass(operator, PATIENT) == alone or operator is ConcatTokens, (
        f"PATIENT of flows/mapper/order.py must {'' if alone else 'not '}have "
        f"{operator.__name__}; {RECIPE}"
    )


@each_operator
def test_its_codes_have_a_range(operator: type) -> None:
    graph, node = example(operator)
    wanted: dict[str, Integers] = {}
    run_graph(graph, random_codes(graph, 1, images=3), wanted.__setitem__)
    with known_to("code_range of flows/mapper/operands.py", operator):
        low, high = code_range(graph, node.output)
    assert low <= wanted[node.output].min()
    assert wanted[node.output].max() <= high


@each_operator
def test_it_is_estimated_and_searched(operator: type) -> None:
    graph, node = example(operator)
    with known_to("flows/estimate/cycles/graph_layers.py", operator):
        layers = graph_layers(graph)
        assert node.output in {layer.output for layer in layers}
    assert live_words(Points.of([SMALL], "xc7"), layers)[0] > 0


@each_operator
def test_it_can_have_fewer_bits(operator: type) -> None:
    """In the number formats of a machine with row classes its codes fit the machine."""
    graph, node = example(operator)
    spec = replace(PACKED, act_bits=6)
    narrow = in_formats(graph, spec)
    check_mapping(narrow, spec)
    low, high = code_range(narrow, node.output)
    assert -32 <= low <= high <= 31, (
        f"flows/estimate/cycles/network_formats.py must narrow the codes of {operator.__name__} to "
        f"6 bits, not {low} to {high}; {RECIPE}"
    )


@each_operator
def test_it_has_a_page(operator: type) -> None:
    """Its arithmetic is stated bit by bit."""
    source = Path(inspect.getfile(operator)).relative_to(ROOT).as_posix()
    pages = [page for page in (ROOT / "docs" / "ops").glob("*.md") if source in page.read_text()]
    assert pages, f"a page of docs/ops must name {source}, which defines {operator.__name__}"
