"""K in parts: golden machine = integer graph for any depth of the weight store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flows.mapper import MappingError, map_network
from flows.mapper.k_parts import turns
from flows.run.execute import golden_run
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph, Reshape, run_graph
from models.program.descriptor import decode_program
from tests.support.oracles.case import compare
from tests.support.random_layers import Builder
from tests.support.random_networks import random_codes
from tests.support.specs import MIXED, ODD, PACKED, SMALL

SPECS = {"small": SMALL, "odd": ODD, "mixed": MIXED, "packed": PACKED}


def deep_network(seed: int, spec: MachineSpec) -> IntegerGraph:
    """A convolution, with or without a linear layer on its flattened map."""
    rng = np.random.default_rng([seed, 5])
    shape = (int(rng.integers(5, 9)), int(rng.integers(5, 9)), int(rng.integers(1, 90)))
    b = Builder(rng, shape, classes=spec.classes)
    at = b.convolution(b.map("input"))
    size = int(np.prod(b.tensors[at].shape))
    if rng.random() < 0.4:
        at = b.linear(b.add(Reshape((1, size)), (at,), (1, size)), int(rng.integers(1, 30)))
    return b.graph(f"deep-{seed}", at)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_golden_machine_equals_graph(spec: MachineSpec) -> None:
    """30 networks on weight stores of a few beats: kernels, rows, columns and words are cut."""
    kept = 0
    for seed in range(30):
        graph = deep_network(seed, spec)
        codes = random_codes(graph, seed)
        rng = np.random.default_rng(seed)
        shallow = replace(spec, depth=spec.lanes * int(rng.integers(spec.tokens, 12)))
        network = map_network(graph, shallow)
        got, _ = golden_run(network, codes[0])
        compare(f"seed {seed}", "output", got, run_graph(graph, codes)[0])
        program = decode_program(shallow, network.image.tobytes())
        kept += sum(one.fields.get("keep_sums", 0) for one in program)
    assert kept > 100


def test_what_fits_is_not_cut() -> None:
    """The same program as on a machine without a memory of sums, but for the fingerprint."""
    graph = deep_network(3, SMALL)
    programs = [
        decode_program(spec, map_network(graph, spec).image.tobytes())
        for spec in (replace(SMALL, depth=4096), replace(SMALL, depth=4096, part_sums=0))
    ]
    assert programs[0] == programs[1]


def test_without_a_memory_of_sums_it_is_refused() -> None:
    b = Builder(np.random.default_rng(0), (1, 600))
    graph = b.graph("deep", b.linear("input", 3))
    with pytest.raises(MappingError, match="^layer 'Convolution_t0': K .padded to whole beats."):
        map_network(graph, replace(SMALL, part_sums=0))


def test_lines_wider_than_the_memory_are_refused() -> None:
    with pytest.raises(
        MappingError, match="^sums of a line of results, 300, must be at most 256$"
    ) as error:
        list(turns(replace(SMALL, part_sums=256), 4, 1, 10, 300))
    assert error.value.needs == {"part_sums": 512}


def test_sums_beyond_their_memory_are_refused() -> None:
    b = Builder(np.random.default_rng(0), (1, 600))
    graph = b.graph("deep", b.linear("input", 3))
    node = graph.nodes[0]
    op = node.operator
    large = replace(op.requantize, bias=np.array([(1 << 31) - 1] * 3))  # type: ignore[union-attr]
    nodes = (replace(node, operator=replace(op, requantize=large)),)  # type: ignore[arg-type]
    with pytest.raises(MappingError, match="sums of a layer whose K is computed in parts must fit"):
        map_network(replace(graph, nodes=nodes), SMALL)
