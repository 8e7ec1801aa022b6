"""Linear layers on flattened maps: the golden machine computes what the integer graph does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flows.estimate.cycles.graph_layers import graph_layers
from flows.mapper import MappingError, map_network
from flows.run.execute import golden_run
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph, Reshape, run_graph
from models.numerics.rescale import Integers
from tests.models.network.test_flattened import CASES, network
from tests.support.oracles.case import compare
from tests.support.random_layers import Builder
from tests.support.random_networks import random_codes
from tests.support.specs import MIXED, ODD, PACKED, SMALL

SPECS = {"small": SMALL, "odd": ODD, "mixed": MIXED, "packed": PACKED}


def check(graph: IntegerGraph, spec: MachineSpec, seed: int = 0) -> None:
    """Every stored tensor, in the shape that the network's file has."""
    codes = random_codes(graph, seed)
    made: dict[str, Integers] = {}
    want = run_graph(graph, codes, made.__setitem__)
    output, trace = golden_run(map_network(graph, spec, trace=True), codes[0])
    for name in set(made) & set(trace):
        compare(graph.name, name, trace[name], made[name][0])
    compare(graph.name, "output", output, want[0])


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("case", CASES)
def test_golden_machine_equals_integer_graph(case: str, spec: MachineSpec) -> None:
    for seed in range(2):
        check(network(case, seed, spec.classes), spec, seed)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_flattened_input_and_heads(spec: MachineSpec) -> None:
    """The host lays the input out flat; heads that do not fill words are read as they lie."""
    b = Builder(np.random.default_rng(5), (7, 8, 1), classes=spec.classes)
    flat = b.add(Reshape((1, 56)), ("input",), (1, 56))
    graph = b.graph("mlp", b.linear(b.linear(flat, 20), 5))
    check(graph, spec)
    assert map_network(graph, spec).input.rows == 1
    first, product, _ = graph_layers(graph)
    assert (first.rows_in, first.channels, product.taps) == (1, 56, 1)
    b = Builder(np.random.default_rng(6), (4, 20), classes=spec.classes)
    mixed = b.attention("input")
    size = int(np.prod(b.tensors[mixed].shape))
    flat = b.add(Reshape((1, size)), (mixed,), (1, size))
    check(b.graph("heads", b.linear(flat, 6)), spec)


def test_other_readers_are_refused_by_name() -> None:
    b = Builder(np.random.default_rng(0), (4, 6, 10))
    flat = b.add(Reshape((1, 240)), (b.conv("input", 10),), (1, 240))
    with pytest.raises(MappingError) as error:
        map_network(b.graph("norm", b.norm(flat)), SMALL)
    assert str(error.value) == (
        "layer 'Reshape_t1': 4 x 6 positions of 10 channels, flattened, must be read by linear "
        "layers and element-wise operators alone; pool to one position first (global average), or "
        "normalise and concatenate before the flatten"
    )


def test_a_map_too_large_for_the_weight_store_is_refused_with_a_size_that_would_do() -> None:
    b = Builder(np.random.default_rng(0), (14, 14, 40))
    flat = b.add(Reshape((1, 7840)), (b.map("input"),), (1, 7840))
    with pytest.raises(MappingError, match="K .padded to whole beats. must be at most"):
        map_network(b.graph("large", b.linear(flat, 4)), replace(SMALL, part_sums=0))
