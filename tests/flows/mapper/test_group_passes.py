"""Convolutions in groups: the golden machine computes what the integer graph does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flows.mapper import MappingError, map_network
from flows.mapper.group_passes import Grouped, array_of, pass_columns, pass_read, passes
from flows.run.execute import golden_run
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph, run_graph
from tests.support.oracles.case import compare
from tests.support.random_layers import Builder
from tests.support.random_networks import random_codes
from tests.support.specs import DEFAULT, FEWER_LANES, MIXED, ODD, PACKED, SMALL

SPECS = {"small": SMALL, "odd": ODD, "fewer lanes": FEWER_LANES, "mixed": MIXED, "packed": PACKED,
         "wide": replace(SMALL, rows=16, lanes=8)}  # fmt: skip


def grouped(
    seed: int, groups: int, depth: int, out: int, spec: MachineSpec, *, before: bool, wide: bool
) -> IntegerGraph:
    """A convolution with any kernel, stride, padding and dilation that fits."""
    rng = np.random.default_rng(seed)
    image = (int(rng.integers(4, 7)), int(rng.integers(4, 7)), groups * depth)
    b = Builder(rng, image, classes=spec.classes, act_bits=spec.act_bits)
    source = b.map("input") if before else "input"
    kernel = (b.pick(1, 2, 3), b.pick(1, 2, 3))
    pads = tuple(int(rng.integers(0, k + 1)) for k in (*kernel, *kernel))
    name = b.conv(
        source, groups * out, kernel=kernel, groups=groups, stride=(b.pick(1, 2), b.pick(1, 2, 3)),
        dilation=(1, b.pick(1, 2) if kernel[1] < 3 else 1),
        padding=pads,  # type: ignore[arg-type]
        wide=wide,
    )  # fmt: skip
    return b.graph(f"{groups} groups of {depth} to {out}", name)


def check(graph: IntegerGraph, spec: MachineSpec, seed: int = 0) -> int:
    """Compare; give the number of passes."""
    codes = random_codes(graph, seed)
    network = map_network(graph, spec)
    compare(graph.name, "output", golden_run(network, codes[0])[0], run_graph(graph, codes)[0])
    return len(network.layers[-1].tiles)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    groups=st.sampled_from([2, 3, 4, 8, 16, 17, 24, 40]),
    depth=st.sampled_from([1, 2, 3, 4, 8, 16]),
    out=st.sampled_from([1, 2, 3, 4, 8, 12]),
    name=st.sampled_from(sorted(SPECS)),
    before=st.booleans(),
    wide=st.booleans(),
)
def test_golden_machine_equals_integer_graph(
    seed: int, groups: int, depth: int, out: int, name: str, before: bool, wide: bool
) -> None:
    if groups * depth > 96:
        depth = 1
    spec = replace(SPECS[name], bank_words=2048, param_entries=1024)
    try:
        check(grouped(seed, groups, depth, out, spec, before=before, wide=wide), spec, seed)
    except MappingError as error:
        # A padding as large as the kernel, of an image that is made in strips.
        assume("a strip must read a line of its image" not in str(error))
        raise


@pytest.mark.parametrize("name", SPECS)
def test_depthwise_layers_need_the_depth_of_few_words(name: str) -> None:
    spec = replace(SPECS[name], bank_words=4096, param_entries=1024, part_sums=0)
    taps = 9
    least = taps * spec.word_bytes
    spec = replace(spec, depth=-(-least // spec.lanes) * spec.lanes)
    b = Builder(np.random.default_rng(0), (4, 4, 200), classes=spec.classes)
    out = b.conv("input", 200, kernel=(3, 3), groups=200, padding=(1, 1, 1, 1))
    assert check(b.graph("depthwise", out), spec) > 1
    with pytest.raises(MappingError, match="K .padded to whole beats. must be at most"):
        map_network(b.graph("depthwise", out), replace(spec, depth=spec.depth - spec.lanes))


def test_bits_of_results_and_several_readers() -> None:
    """16-bit results begin at words of their own; heads and macros' places stay whole."""
    b = Builder(np.random.default_rng(3), (4, 5, 48))
    first = b.conv("input", 48, kernel=(3, 3), groups=48)
    wide = b.map(first, wide=True)
    other = b.conv("input", 96, kernel=(3, 3), groups=12)
    narrow = b.map(b.conv(other, 48, groups=3), wide=True)
    assert check(b.graph("several", b.join(wide, narrow)), ODD) == 0


def test_a_layer_of_few_channels_is_read_whole() -> None:
    layer = Grouped(inputs=16, outputs=16, groups=16, taps=9, positions=1)
    assert pass_columns(array_of(DEFAULT), layer) == [16]
    assert pass_columns(array_of(DEFAULT), replace(layer, groups=1)) == [16]


@given(
    groups=st.integers(2, 64), depth=st.integers(1, 40), out=st.integers(1, 40),
    positions=st.integers(1, 400), taps=st.sampled_from([1, 9, 25]),
    bits=st.sampled_from([8, 16]), name=st.sampled_from(sorted(SPECS)),
)  # fmt: skip
def test_passes_cover_all_columns_and_their_channels(
    groups: int, depth: int, out: int, positions: int, taps: int, bits: int, name: str
) -> None:
    spec = SPECS[name]
    layer = Grouped(inputs=groups * depth, outputs=groups * out, groups=groups, taps=taps,
                    positions=positions, bits=bits)  # fmt: skip
    array, at = array_of(spec), 0
    per_word = spec.word_bytes * 8 // bits
    for start, stop in passes(array, layer):
        assert start[0] == at < stop[0] <= layer.outputs
        assert at % per_word == at % spec.vector_lanes == 0
        read = pass_read(array, layer, start, stop)
        first, last = at // out * depth, ((int(stop[0]) - 1) // out + 1) * depth
        assert read.word[0] * spec.word_bytes <= first
        low = (read.words[0] - 1) * spec.word_bytes
        assert low < last - read.word[0] * spec.word_bytes <= low + read.last_beats * spec.lanes
        at = int(stop[0])
    assert at == layer.outputs
