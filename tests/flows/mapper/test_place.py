"""Places in the scratchpad and in the circle of constants: nothing alive is ever overwritten."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.mapper import MappingError, map_network
from flows.mapper.packing import Planned
from flows.mapper.place import Allocator, Place, RingSpace, words_of
from flows.mapper.plan import concat_parts
from models.machine.spec import MachineSpec
from models.network.graph import ConcatTokens, Constant, IntegerGraph, Node
from models.numerics.quantized import TensorType
from models.ops.attention import AttentionScores
from models.ops.convolution import linear_spec
from models.ops.requantize import Requantize
from tests.support.random_layers import Builder
from tests.support.specs import ODD, SMALL

STEPS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 1 << 16), st.sampled_from([1, 7, 64, 500, 1024, 1500])),
    max_size=60,
)


@pytest.mark.parametrize("spread", [False, True])
@settings(max_examples=150)
@given(steps=STEPS, spec=st.sampled_from([SMALL, ODD]))
def test_live_tensors_never_overlap(
    spread: bool, steps: list[tuple[bool, int, int]], spec: MachineSpec
) -> None:
    """Random taking and freeing against a list of the owner of every word."""
    allocator = Allocator(spec, spread=spread)
    owner: list[str | None] = [None] * spec.scratchpad_words
    live: list[tuple[str, int, int]] = []
    peak = 0
    for number, (free, choice, size) in enumerate(steps):
        if free and live:
            name, base, words = live.pop(choice % len(live))
            allocator.free(name)
            owner[base : base + words] = [None] * words
            continue
        name = f"t{number}"
        gaps = "".join(" " if o is None else "x" for o in owner).split("x")
        if max(map(len, gaps)) < size:
            free_words = owner.count(None)
            text = f"tensor {name!r} of {size} words, not only {free_words} free of {len(owner)}"
            with pytest.raises(MappingError, match=f"^scratchpad must hold {re.escape(text)}$"):
                allocator.take(name, size)
            continue
        base = allocator.take(name, size)
        assert 0 <= base <= base + size <= len(owner)
        taken = {o for o in owner[base : base + size] if o}
        assert not taken, f"{name} at {base}..{base + size} lies over {taken} (step {number})"
        owner[base : base + size] = [name] * size
        live.append((name, base, size))
        peak = max(peak, len(owner) - owner.count(None))
    assert allocator.peak == peak


def test_spread_goes_to_the_next_bank() -> None:
    """Tensors used one after another lie in different banks as long as there is room."""
    spread, dense = (Allocator(ODD, spread=s) for s in (True, False))
    assert [spread.take(f"t{i}", 100) for i in range(5)] == [0, 512, 1024, 1536, 100]
    assert [dense.take(f"t{i}", 100) for i in range(5)] == [0, 100, 200, 300, 400]


@settings(max_examples=200)
@given(takes=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 40)), max_size=60))
def test_ring_never_says_there_of_what_is_gone(takes: list[tuple[int, int]]) -> None:
    """Against a memory that is written whenever the ring says it must be."""
    ring = RingSpace(64, "entries")
    memory: list[bytes | None] = [None] * 64
    for number, size in takes:
        size = 1 + (number * 7 + size % 2) % 30  # few keys, each of one size
        key = bytes([number, size])
        address, there = ring.take(key, size)
        assert 0 <= address <= address + size <= 64
        if not there:
            memory[address : address + size] = [key] * size
        held = memory[address : address + size]
        assert held == [key] * size, f"{key!r} at {address} is {held}"


def test_ring_keeps_what_fits() -> None:
    ring = RingSpace(10, "function tables")
    assert ring.take(b"a", 6) == (0, False)
    assert ring.take(b"b", 4) == (6, False)
    assert [ring.take(k, n) for k, n in ((b"a", 6), (b"b", 4))] == [(0, True), (6, True)]
    assert ring.take(b"c", 6) == (0, False)
    assert ring.take(b"b", 4) == (6, True)
    assert ring.take(b"a", 6) == (0, False)
    with pytest.raises(MappingError, match=r"^function tables must be at most 10 entries, not 11$"):
        ring.take(b"d", 11)


@pytest.mark.parametrize(("channels", "bits", "groups", "words"), [
    (8, 8, 1, 1), (9, 8, 1, 2), (8, 16, 1, 2), (9, 16, 1, 3), (12, 8, 3, 3), (30, 8, 3, 6),
])  # fmt: skip
def test_words_of_a_row(channels: int, bits: int, groups: int, words: int) -> None:
    """On words of eight bytes, counted by hand."""
    assert words_of(SMALL, channels, bits, groups) == words


def test_parts_of_a_place() -> None:
    place = Place(base=10, rows=6, channels=20, row_words=4, bits=16, groups=2)
    part = place.part(2, 5)
    assert (part.base, part.rows, part.end, part.group_words) == (18, 3, 30, 2)
    assert (part.channels, part.bits, part.groups) == (20, 16, 2)
    assert place.end == 34


def linear(channels: int, depth: int, tokens: int) -> IntegerGraph:
    """A network of one linear layer."""
    op = linear_spec([[1] * depth] * channels, Requantize(bias=0, multiplier=1, shift=0))  # type: ignore[arg-type]
    node = Node(name="blocks.0/fc", operator=op, inputs=("x",), output="y")
    tensors = {"x": TensorType(shape=(tokens, depth)), "y": TensorType(shape=(tokens, channels))}
    return IntegerGraph(name="n", input="x", output="y", tensors=tensors, nodes=(node,))


def scores(tokens: int) -> IntegerGraph:
    """Attention scores of tokens with themselves: their rows must lie in the scratchpad."""
    op = AttentionScores(heads=1, requantize=Requantize(bias=0, multiplier=1, shift=0))  # type: ignore[arg-type]
    node = Node(name="scores", operator=op, inputs=("x", "x"), output="y")
    tensors = {"x": TensorType(shape=(tokens, 8)), "y": TensorType(shape=(1, tokens, tokens))}
    return IntegerGraph(name="n", input="x", output="y", tensors=tensors, nodes=(node,))


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (
            scores(150),
            (
                "layer 'scores': scratchpad must hold tensor 'y' of 2850 words, not only "
                "1898 free of 2048; a machine with bank_words = 2048 would do"
            ),
        ),
        (
            linear(2, 513, 1),
            (
                "layer 'blocks.0/fc': K (padded to whole beats) must be at most 512, not 516; "
                "a machine with depth = 516 would do"
            ),
        ),
        (
            linear(4 * 257, 8, 1),
            (
                "layer 'blocks.0/fc': channel parameters must be at most 64 entries, not 257; "
                "a machine with param_entries = 512 would do"
            ),
        ),
    ],
)
def test_what_does_not_fit_is_named(graph: IntegerGraph, text: str) -> None:
    with pytest.raises(MappingError, match=f"^{re.escape(text)}$"):
        map_network(graph, replace(SMALL, part_sums=0))


def test_the_largest_that_fits() -> None:
    """The very limits of the three refusals above."""
    map_network(linear(2, 512, 1), SMALL)
    map_network(linear(2, 8, 1024), SMALL)
    map_network(linear(4 * 64, 8, 1), SMALL)


def test_a_plan_counts_the_most_words_at_a_time() -> None:
    allocator = Planned(SMALL, {"a": 0, "b": 10, "c": 0})
    assert [allocator.take("a", 10), allocator.take("b", 5)] == [0, 10]
    allocator.free("a")
    assert allocator.take("c", 3) == 0
    assert allocator.peak == 15


def test_parts_of_a_concatenation_are_made_in_it() -> None:
    """All but those that something else needs, and those that another operator places."""
    b = Builder(np.random.default_rng(4), (3, 10))
    token = b.add(Constant(codes=b.corners(-128, 127, (1, 10))), (), (1, 10))
    body = b.linear("input", 10)
    shared = b.linear("input", 10)
    joined = b.add(ConcatTokens(), (token, body, shared, "input"), (10, 10))
    graph = b.graph("parts", b.join(b.linear(shared, 10), b.linear("input", 10)))
    assert concat_parts(graph, {}) == {token: (joined, 0), body: (joined, 1)}
    assert concat_parts(graph, {body: 2}) == {token: (joined, 0)}
