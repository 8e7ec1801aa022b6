"""The check of a mapping and the mapping itself agree, and a refusal says what would do."""

import re
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from flows.estimate.cycles.layer_graphs import with_values
from flows.estimate.cycles.network_formats import in_formats
from flows.estimate.cycles.workload_graph import workload_graph
from flows.mapper import MappingError, check_mapping, map_network, with_room
from flows.mapper.mapping import Mapper
from flows.mapper.packing import Planned, Recorder, packed
from flows.mapper.place import Allocator
from flows.run.execute import golden_run
from models.formats.row_classes import RowClass
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.network.graph import IntegerGraph, Node, Reshape, run_graph
from models.network.workloads import Kind, LayerShape, find_workload
from models.numerics.quantized import TensorType
from models.ops.convolution import linear_spec
from models.ops.requantize import Requantize
from models.program.descriptor import decode_program
from models.program.layout import VectorOp
from tests.support.random_networks import KINDS, random_codes, random_network
from tests.support.specs import DEFAULT, ODD, SMALL

CLASSED = MachineSpec(rows=16).with_classes([("fixed8", 8), ("pot4", 8)])


def outcome(run: object, graph: IntegerGraph, spec: MachineSpec) -> str:
    try:
        run(graph, spec)  # type: ignore[operator]
    except MappingError as error:
        return str(error)
    return "maps"


@pytest.mark.parametrize("spec", [DEFAULT, SMALL, ODD, CLASSED], ids=["default", "small", "odd",
                                                                       "classed"])  # fmt: skip
def test_check_and_mapping_agree_to_the_letter(spec: MachineSpec) -> None:
    tight = replace(spec, bank_words=16, param_entries=2, depth=4 * spec.lanes)
    seen = set()
    for machine in (spec, tight):
        for kind in KINDS:
            for seed in range(4):
                graph = random_network(kind, seed, machine.classes)
                said = outcome(check_mapping, graph, machine)
                assert said == outcome(map_network, graph, machine), (kind, seed)
                seen.add(said == "maps")
    assert seen == {True, False}


@pytest.mark.parametrize("name", ["resnet-8", "ds-cnn", "deit-tiny"])
def test_a_workload_maps_with_the_room_that_the_refusal_names(name: str) -> None:
    small = MachineSpec(depth=64, bank_words=64, param_entries=2)
    graph = in_formats(workload_graph(name, find_workload(name).layers), small)
    with pytest.raises(MappingError, match="a machine with .* would do$") as refusal:
        check_mapping(graph, small)
    named = dict(re.findall(r"(depth|bank_words|param_entries) = (\d+)", str(refusal.value)))
    assert named
    room: dict[str, Any] = {key: int(value) for key, value in named.items()}
    enough = replace(small, **room)
    assert with_room(graph, small) == enough
    check_mapping(graph, enough)


def test_a_reshape_that_splits_channels_is_told_in_the_users_terms() -> None:
    op = linear_spec(np.ones((2, 4)), Requantize(bias=0, multiplier=1, shift=0))  # type: ignore[arg-type]
    copy = Requantize(bias=0, multiplier=1, shift=0)  # type: ignore[arg-type]
    nodes = (
        Node(name="copy", operator=copy, inputs=("x",), output="image"),
        Node(name="Conv_24#3", operator=Reshape((32, 4)), inputs=("image",), output="flat"),
        Node(name="fc", operator=op, inputs=("flat",), output="y"),
    )
    shapes = {"x": (4, 4, 8), "image": (4, 4, 8), "flat": (32, 4), "y": (32, 2)}
    tensors = {name: TensorType(shape=shape) for name, shape in shapes.items()}
    graph = IntegerGraph(name="n", input="x", output="y", tensors=tensors, nodes=nodes)
    text = (
        "layer 'Conv_24': a reshape must keep the 8 channels of every position together, not make "
        "[32, 4] of [4, 4, 8]; reshape positions only"
    )
    with pytest.raises(MappingError, match=f"^{re.escape(text)}$"):
        check_mapping(graph, DEFAULT)


def test_no_machine_has_so_much() -> None:
    shape = LayerShape(name="wide", kind=Kind.CONVOLUTION, rows=4, width=4, depth=1024, outputs=8,
                       kernel=(3, 3))  # fmt: skip
    graph = in_formats(workload_graph("n", [shape]), DEFAULT)
    room = replace(DEFAULT, bank_words=1 << 15, param_entries=4096, depth=8192)
    with pytest.raises(MappingError) as refusal:
        check_mapping(graph, room)
    assert str(refusal.value) == (
        "layer 'wide': K (padded to whole beats) must be at most 8192, not 9216; "
        "no machine is large enough: depth must be a multiple of lanes = 8 up to 8192, not 9216"
    )


def test_parameters_of_idle_rows_are_within_their_memory() -> None:
    """The vector unit passes by the entries of all rows of the last tile, used or not."""
    spec = MachineSpec(
        lanes=4,
        tokens=2,
        rows=16,
        vector_lanes=2,
        param_entries=32,
        classes=(RowClass("fixed8", 16),),
    )
    graph = two_layers(spec, first=54, second=6)
    drains = [
        one.fields
        for one in decode_program(spec, map_network(graph, spec).image.tobytes())
        if one.unit is Unit.VECTOR and one.fields["op"] == VectorOp.DRAIN
    ]
    assert len(drains) == 2
    for drain in drains:
        reach = drain["param"] + drain["tiles"] * spec.rows // spec.vector_lanes
        assert reach <= spec.param_entries


def two_layers(spec: MachineSpec, first: int, second: int) -> IntegerGraph:
    """Two linear layers with parameters of their own."""
    shapes = [
        LayerShape(name=name, kind=Kind.LINEAR, rows=1, width=3, depth=depth, outputs=outputs)
        for name, depth, outputs in (("a", 8, first), ("b", first, second))
    ]
    return with_values(in_formats(workload_graph("n", shapes), spec), spec.classes, 1)


@pytest.mark.parametrize("kind", ["chain", "attention", "convolution"])
def test_planned_places_compute_the_same(kind: str) -> None:
    """All tensors placed at once, in as few words as they take together at most."""
    for seed in range(6):
        graph = random_network(kind, seed)
        recorder = Recorder(DEFAULT)
        Mapper(graph, DEFAULT, {}, False, allocator=recorder).map()
        lives = recorder.found()
        most = max(sum(x.words for x in lives if x.start <= t < x.stop) for t in range(60))
        plan = packed(lives, 2 * most)
        assert plan is not None
        for one, other in combinations(lives, 2):
            together = one.start < other.stop and other.start < one.stop
            apart = (
                plan[one.name] + one.words <= plan[other.name]
                or plan[other.name] + other.words <= plan[one.name]
            )
            assert apart or not together
        network = Mapper(graph, DEFAULT, {}, False, allocator=Planned(DEFAULT, plan)).run()
        codes = random_codes(graph, seed)
        assert (golden_run(network, codes[0])[0] == run_graph(graph, codes)[0]).all()


def test_a_scratchpad_that_first_fit_leaves_in_pieces_is_planned() -> None:
    """DeiT-B beside softmax takes 23,640 of 32,768 words, but not in one piece as they come."""
    spec = MachineSpec(lanes=32, rows=32, vector_lanes=32, depth=3072, bank_words=8192)
    graph = in_formats(workload_graph("n", find_workload("deit-base").layers), spec)
    for spread in (True, False):
        with pytest.raises(MappingError, match="scratchpad must hold"):
            Mapper(
                graph, spec, {}, False, allocator=Allocator(spec, spread=spread), packs=False
            ).map()
    check_mapping(graph, spec)
