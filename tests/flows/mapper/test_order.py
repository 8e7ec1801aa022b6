"""The order in which operators are mapped: valid, complete, and vector work late."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.mapper.order import PATIENT, mapping_order
from flows.onnx_import import load_network
from models.network.graph import Node, Operator, Reshape
from models.ops.add import Add
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution, linear_spec
from models.ops.requantize import Requantize
from models.ops.softmax import Softmax
from tests.flows.mapper.test_emitter import EXAMPLES
from tests.support.random_networks import KINDS, random_network

SAME = Requantize(bias=0, multiplier=1, shift=0)  # type: ignore[arg-type]
PRODUCT = linear_spec([[1]], SAME)
SUM = Add(a_multiplier=1, b_multiplier=1, shift=0)


def node(output: str, operator: Operator, *inputs: str) -> Node:
    """A node named after its output."""
    return Node(name=output, operator=operator, inputs=inputs, output=output)


def needed(nodes: tuple[Node, ...], output: str) -> set[str]:
    """Tensors that the output depends on, itself included."""
    makers = {n.output: n for n in nodes}
    found: set[str] = set()
    todo = [output]
    while todo:
        tensor = todo.pop()
        if tensor in makers and tensor not in found:
            found.add(tensor)
            todo += makers[tensor].inputs
    return found


def check(nodes: tuple[Node, ...], output: str) -> list[str]:
    """Every node at most once, after its inputs; all that the output needs. Gives the order."""
    order = mapping_order(nodes, output)
    names = [n.output for n in order]
    assert len(set(names)) == len(names), f"twice in {names}"
    made = {n.output for n in nodes}
    for index, one in enumerate(order):
        late = [t for t in one.inputs if t in made and t not in names[:index]]
        assert not late, f"{one.output} comes before its inputs {late} in {names}"
    missing = needed(nodes, output) - set(names)
    assert not missing, f"{missing} are not in {names}"
    assert all(n in nodes for n in order)
    return names


@st.composite
def networks(draw: st.DrawFn) -> tuple[Node, ...]:
    """Any graph of patient and impatient operators and views."""
    nodes: list[Node] = []
    operators: list[Operator] = [PRODUCT, SAME, SUM, Reshape((1, 1))]
    for number in range(draw(st.integers(1, 14))):
        sources = ["x", *(n.output for n in nodes)]
        operator = draw(st.sampled_from(operators))
        inputs = [draw(st.sampled_from(sources)) for _ in range(2 if operator is SUM else 1)]
        nodes.append(node(f"t{number}", operator, *inputs))
    return tuple(nodes)


@settings(max_examples=300)
@given(nodes=networks())
def test_any_graph(nodes: tuple[Node, ...]) -> None:
    """Also: products never wait for vector work that they do not need."""
    names = check(nodes, nodes[-1].output)
    makers = {n.output: n for n in nodes}
    for index, name in enumerate(names):
        if not isinstance(makers[name].operator, PATIENT):
            continue
        rest = names[index + 1 :]
        independent = [
            later
            for later in rest
            if isinstance(makers[later].operator, Convolution)
            and not any(isinstance(makers[t].operator, PATIENT) for t in needed(nodes, later))
            and nodes.index(makers[later]) < nodes.index(makers[name])
        ]
        assert not independent, f"{independent} wait behind {name} in {names}"


@pytest.mark.parametrize("kind", KINDS)
def test_random_networks(kind: str) -> None:
    for seed in range(22):
        graph = random_network(kind, seed)
        names = check(graph.nodes, graph.output)
        assert len(names) == len(graph.nodes), f"{kind} network {seed}: every node is needed"


@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_trained_networks(name: str) -> None:
    graph = load_network(EXAMPLES / f"{name}_int8.onnx")
    assert len(check(graph.nodes, graph.output)) == len(graph.nodes)


def test_values_are_projected_before_the_softmax() -> None:
    """In every attention block: the array makes V while the vector unit works on the softmax."""
    graph = load_network(EXAMPLES / "vit_int8.onnx")
    order = mapping_order(graph.nodes, graph.output)
    place = {n.output: i for i, n in enumerate(order)}
    makers = {n.output: n for n in graph.nodes}

    def maker(tensor: str, *kinds: type) -> Node:
        while not isinstance(makers[tensor].operator, kinds):
            tensor = makers[tensor].inputs[0]
        return makers[tensor]

    blocks = 0
    for one in order:
        if isinstance(one.operator, AttentionContext):
            probabilities = maker(one.inputs[0], Softmax)
            scores = maker(probabilities.inputs[0], AttentionScores)
            values = maker(one.inputs[1], Convolution)
            assert place[values.output] < place[probabilities.output], values.name
            assert place[scores.output] < place[probabilities.output], scores.name
            blocks += 1
    assert blocks >= 4


def test_a_shortcut_waits_for_its_addition() -> None:
    """A patient operator comes right before the first one that needs it."""
    nodes = (
        node("short", SAME, "x"),
        node("a", PRODUCT, "x"),
        node("norm", SAME, "a"),
        node("b", PRODUCT, "a"),
        node("sum", SUM, "b", "short"),
        node("c", PRODUCT, "norm"),
        node("out", SUM, "sum", "c"),
    )
    assert check(nodes, "out") == ["a", "b", "norm", "c", "short", "sum", "out"]
