"""Passes of convolutions in groups: many machines at once, and what a mapping takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.found_network import find_network
from flows.estimate.cycles.graph_layers import mapped_layers
from flows.estimate.cycles.grouped_shape import param_entries, pass_counts, pass_shapes
from flows.estimate.cycles.layer_graphs import layer_graph
from flows.estimate.cycles.machine_layer import Layer, Work
from flows.estimate.machine_points import Points
from flows.mapper import map_network
from models.machine.spec import MachineSpec
from models.network.workloads import Kind, LayerShape
from models.program.descriptor import decode_program
from tests.support.specs import DEFAULT, MIXED, ODD, PACKED, SMALL

MANY = DEFAULT.with_classes([("fixed8", 64)])
BASES = (SMALL, MIXED, DEFAULT, MANY, ODD, PACKED)
ROOM: dict[str, Any] = {"bank_words": 8192, "param_entries": 2048}
MACHINES = [replace(x, depth=2048 // x.lanes * x.lanes, **ROOM) for x in BASES]


@pytest.mark.parametrize("name", ["ds-cnn", "mobilenet-v2"])
def test_many_machines_at_once_are_what_each_is_alone(name: str) -> None:
    layers = find_network(name).layers
    together = estimate_cycles(Points.of(MACHINES, "xc7"), layers)
    for index, spec in enumerate(MACHINES):
        alone = estimate_cycles(Points.of([spec], "xc7"), layers)
        assert np.array_equal(together.cycles[index], alone.cycles[0])
        assert np.array_equal(together.read_bytes[index], alone.read_bytes[0])
        assert {n: v[index] for n, v in together.needs.items()} == {
            n: v[0] for n, v in alone.needs.items()
        }


@pytest.mark.parametrize("spec", MACHINES, ids=["small", "mixed", "default", "many", "odd", "one"])
@pytest.mark.parametrize("groups", [48, 12, 3, 2])
def test_a_mapping_takes_the_passes_tiles_and_bytes_of_the_model(
    spec: MachineSpec, groups: int
) -> None:
    shape = LayerShape(name="layer", kind=Kind.CONVOLUTION, rows=5, width=6, depth=48, outputs=96,
                       kernel=(3, 3), groups=groups)  # fmt: skip
    graph = layer_graph(shape, spec.classes)
    network = map_network(graph, spec)
    (layer,) = mapped_layers(graph, network)
    points = Points.of([spec], "xc7")
    shapes = pass_shapes(points, layer)
    tiles = network.layers[0].tiles
    assert pass_counts(points, layer) == len(shapes) == len(tiles)
    assert [int(one.tiles[0]) for one in shapes] == list(tiles)
    beats = sum(int(x.tiles[0] * x.groups[0] * x.entries[0]) for x in shapes)
    assert network.layers[0].beats == beats
    read = estimate_cycles(points, [layer]).read_bytes.sum()
    program = decode_program(spec, network.image.tobytes())
    loaded = sum(one.fields.get("beats", 0) for one in program) * spec.axi_bytes
    # Loads end with whole bus beats.
    assert 0 <= loaded + 128 * (len(program) + 1) - read < 2 * 128 + 3 * spec.axi_bytes


def test_heads_that_do_not_fill_words_are_one_pass() -> None:
    layer = Layer(name="v", work=Work.PRODUCT, channels=96, outputs=96, groups=96, taps=9,
                  positions=49, out_heads=4)  # fmt: skip
    points = Points.of([SMALL, ODD], "xc7")
    assert list(pass_counts(points, layer))[1] == 1
    assert list(pass_counts(points, replace(layer, out_heads=1))) != [1, 1]
    assert (param_entries(points, replace(layer, out_heads=1)) >= 96 // points.vector_lanes).all()
