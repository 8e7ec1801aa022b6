"""The integer graph: what it refuses when made and when run."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from models.network.graph import (
    ConcatTokens,
    Constant,
    IntegerGraph,
    Node,
    Operator,
    Reshape,
    SelectTokens,
    run_graph,
)
from models.numerics.quantized import TensorType
from models.numerics.rescale import Integers
from models.ops.add import Add
from models.ops.requantize import Requantize

SUM = Add(a_multiplier=1, b_multiplier=1, shift=0)
SAME = Requantize(bias=0, multiplier=1, shift=0)  # type: ignore[arg-type]
DOUBLE = Requantize(bias=0, multiplier=2, shift=0, low=-999, high=999)  # type: ignore[arg-type]
SHAPE = (3, 2)


def node(name: str, operator: Operator, *inputs: str) -> Node:
    """A node named after its output."""
    return Node(name=f"node of {name}", operator=operator, inputs=inputs, output=name)


def graph(*nodes: Node, **types: TensorType) -> IntegerGraph:
    """A graph from ``x`` to the last node's output; tensors are 3 x 2 of 8 bits."""
    names = ["x", *(n.output for n in nodes)]
    kinds = {name: TensorType(shape=SHAPE) for name in names} | types
    return IntegerGraph(name="g", input="x", output=names[-1], tensors=kinds, nodes=nodes)


def refused(text: str, **arguments: object) -> None:
    """``arguments`` replace parts of a good graph, which then is refused with the text."""
    good = graph(node("a", SAME, "x"), node("b", SUM, "a", "x"))
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        replace(good, **arguments)  # type: ignore[arg-type]


def test_made_before_use() -> None:
    nodes = (node("b", SUM, "a", "x"), node("a", SAME, "x"))
    refused("tensor 'a' of 'node of b' must be made before use", nodes=nodes)


@pytest.mark.parametrize("name", ["a", "x"])
def test_made_once(name: str) -> None:
    nodes = (node("a", SAME, "x"), node(name, SAME, "x"))
    refused(f"tensor {name!r} must be made once, not twice", nodes=nodes)


def test_every_tensor_has_a_type() -> None:
    refused("tensor 'a' must have a type", tensors={"x": TensorType(shape=SHAPE)})


def test_output_is_made() -> None:
    refused("output tensor 'logits' must be made by a node", output="logits")


def codes(*shape: int) -> Integers:
    """Different small codes."""
    return np.arange(int(np.prod(shape))).reshape(shape) - 5


def test_runs_and_keeps_every_tensor() -> None:
    """Two images; a tensor read twice and long after it was made; views and constants."""
    token = np.array([[7, 8]])
    parts = graph(
        node("token", Constant(codes=token)),
        node("wide", ConcatTokens(), "token", "x"),
        node("twice", SUM, "wide", "wide"),
        node("rest", SelectTokens(1, 4), "twice"),
        node("all", SUM, "rest", "x"),
        node("flat", Reshape((1, 6)), "all"),
        token=TensorType(shape=(1, 2)),
        wide=TensorType(shape=(4, 2)),
        twice=TensorType(shape=(4, 2)),
        flat=TensorType(shape=(1, 6)),
    )
    seen: dict[str, Integers] = {}
    x = codes(2, *SHAPE)
    result = run_graph(parts, x, seen.__setitem__)
    wide = np.concatenate([np.broadcast_to(token, (2, 1, 2)), x], axis=1)
    want = {"token": wide[:, :1], "wide": wide, "twice": 2 * wide, "rest": 2 * x, "all": 3 * x,
            "flat": (3 * x).reshape(2, 1, 6)}  # fmt: skip
    assert {name: value.tolist() for name, value in seen.items()} == {
        name: value.tolist() for name, value in want.items()
    }
    assert result.tolist() == want["flat"].tolist()


def test_output_may_also_be_an_input() -> None:
    """The output tensor is kept though a later node reads it last."""
    one = graph(node("a", SAME, "x"), node("b", SUM, "a", "a"))
    x = codes(1, *SHAPE)
    assert run_graph(replace(one, output="a"), x).tolist() == x.tolist()


@pytest.mark.parametrize("shape", [(1, 2, 3), (3, 2), (1, 3, 2, 1)])
def test_input_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"[images, (3, 2)], not {shape}")):
        run_graph(graph(node("a", SAME, "x")), np.zeros(shape))


def test_operator_yields_another_shape() -> None:
    wrong = graph(node("a", SelectTokens(0, 2), "x"))
    with pytest.raises(ValueError, match=re.escape("'node of a' must yield (3, 2), not (2, 2)")):
        run_graph(wrong, codes(1, *SHAPE))


@pytest.mark.parametrize(("code", "bits", "good"), [
    (63, 8, True), (64, 8, False), (-64, 8, True), (-65, 8, False), (100, 16, True),
])  # fmt: skip
def test_codes_stay_in_their_type(code: int, bits: int, good: bool) -> None:
    doubled = graph(node("a", DOUBLE, "x"), a=TensorType(shape=SHAPE, bits=bits))
    x = np.full((1, *SHAPE), code)
    if good:
        assert run_graph(doubled, x).max() == 2 * code
    else:
        with pytest.raises(OverflowError, match=r"^'node of a' must yield 8-bit codes$"):
            run_graph(doubled, x)
