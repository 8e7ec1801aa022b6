"""The check of a mapping and the mapping itself agree, and a refusal says what would do."""

import re
from dataclasses import replace

import pytest

from flows.estimate.formats import in_formats
from flows.estimate.workload_graph import workload_graph
from flows.mapper import MappingError, check_mapping, map_network, with_room
from models.graph import IntegerGraph, Node, Reshape
from models.machine_spec import MachineSpec
from models.ops.convolution import linear_spec
from models.ops.requantize import Requantize
from models.quantized import TensorType
from models.workloads import find_workload
from tests.flows.machines import DEFAULT, ODD, SMALL
from tests.random_networks import KINDS, random_network

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
    enough = replace(small, **{key: int(value) for key, value in named.items()})
    assert with_room(graph, small) == enough
    check_mapping(graph, enough)


def flattened(positions: tuple[int, int], shape: tuple[int, ...]) -> IntegerGraph:
    """An image whose positions are put together before a linear layer named as importers do."""
    op = linear_spec([[1] * shape[-1]] * 2, Requantize(bias=0, multiplier=1, shift=0))  # type: ignore[arg-type]
    nodes = (
        Node(name="Conv_24#3", operator=Reshape(shape), inputs=("x",), output="flat"),
        Node(name="fc", operator=op, inputs=("flat",), output="y"),
    )
    tensors = {
        "x": TensorType(shape=(*positions, 8)),
        "flat": TensorType(shape=shape),
        "y": TensorType(shape=(shape[0], 2)),
    }
    return IntegerGraph(name="n", input="x", output="y", tensors=tensors, nodes=nodes)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (
            (1, 128),
            (
                "layer 'Conv_24': a linear layer must read channels of one position, not 4 x 4 "
                "positions of 8 channels flattened; pool to one position first (global average), "
                "or make it a convolution with a 4 x 4 kernel"
            ),
        ),
        (
            (8, 16),
            (
                "layer 'Conv_24': a reshape must keep the 8 channels of every position together, "
                "not make [8, 16] of [4, 4, 8]; reshape positions only"
            ),
        ),
    ],
)
def test_reshapes_that_move_channels_are_told_in_the_users_terms(
    shape: tuple[int, ...], text: str
) -> None:
    with pytest.raises(MappingError, match=f"^{re.escape(text)}$"):
        check_mapping(flattened((4, 4), shape), DEFAULT)


def test_no_machine_has_so_much() -> None:
    graph = in_formats(workload_graph("n", find_workload("mobilenet-v1").layers), DEFAULT)
    room = replace(DEFAULT, bank_words=1 << 15, param_entries=4096, depth=8192)
    with pytest.raises(MappingError) as refusal:
        check_mapping(graph, room)
    assert str(refusal.value) == (
        "layer 'block12.depthwise': K must be at most 8192 (filled up to whole beats), not 9216; "
        "no machine has so much: depth must be a multiple of lanes = 8 up to 8192, not 9216"
    )
