"""Cycles of networks in strips and in parts of K, and of a program beside those of its layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.estimate.cycles.cycle_points import layer_front
from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.found_network import find_network
from flows.estimate.cycles.graph_layers import mapped_layers
from flows.estimate.cycles.machine_cycles import machine_cycles
from flows.estimate.cycles.mapped_program import MappedProgram
from flows.estimate.cycles.network_formats import in_formats
from flows.estimate.cycles.program_cycles import program_cycles
from flows.estimate.machine_points import Points
from flows.mapper import map_network
from flows.run.activity import intervals
from flows.run.execute import run_images
from models.machine.memory import NEAR
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.network.graph import IntegerGraph
from models.program.layout import DESCRIPTOR_BYTES
from sim.conditions import Conditions
from tests.support.large_networks import large_network
from tests.support.machines import simulator
from tests.support.random_layers import Builder
from tests.support.random_networks import random_codes
from tests.support.specs import DEFAULT, PACKED, SMALL

WITHIN = 0.03
LAYERS_WITHIN = {"near": 0.03, "far": 0.05}
FAR = replace(NEAR, name="far", read_latency=90, write_latency=90)
LEAST = 300
"""Cycles from which a layer is held to that."""


def image_network(spec: MachineSpec) -> IntegerGraph:
    """Two convolutions in strips."""
    b = Builder(np.random.default_rng([0, 1]), (32, 32, 8), classes=spec.classes)
    at = "input"
    for _ in range(2):
        at = b.conv(at, 16, kernel=(3, 3), padding=(1, 1, 1, 1))
    return b.graph("image", at)


def deep_network(spec: MachineSpec) -> IntegerGraph:
    """A convolution in strips whose K is in parts."""
    b = Builder(np.random.default_rng([6, 1]), (14, 14, 80), classes=spec.classes)
    return b.graph("deep", b.conv("input", 16, kernel=(3, 3), padding=(1, 1, 1, 1)))


@pytest.mark.parametrize("spec", [SMALL, PACKED], ids=["small", "packed"])
def test_error_on_a_simulation(spec: MachineSpec, simulators: Path, tmp_path: Path) -> None:
    """Networks within 3 % of the simulated Verilog, and so are their layers."""
    system = simulator(spec, simulators, optimise=False)
    strips = parts = 0
    for graph in (image_network(spec), deep_network(spec), large_network(1, spec.classes)):
        network = map_network(graph, spec)
        program = MappedProgram.of(network)
        strips, parts = strips + program.strips, parts + program.parts
        codes = random_codes(graph, 0)[:1]
        for memory in (NEAR, FAR):
            conditions = Conditions(memory=memory)
            (result,) = run_images(system, network, codes, tmp_path, conditions=conditions)
            ends = [0] * (len(network.layers) + 2)
            for one in intervals(result.events):
                ends[one.tag] = max(ends[one.tag], one.stop)
            measured = np.array(layer_front(ends, result.cycles))
            found = program_cycles(program, memory=memory)
            what = f"{graph.name}, memory {memory.name}"
            assert abs(found.total[0] - result.cycles) <= WITHIN * result.cycles, what
            off = np.abs(found.cycles[0] - measured)[measured > LEAST]
            assert (off <= LAYERS_WITHIN[memory.name] * measured[measured > LEAST]).all(), what
    assert strips >= 3
    assert parts >= 1


@pytest.mark.parametrize("name", ["deit-tiny", "resnet-8", "ds-cnn"])
def test_a_program_takes_what_its_layers_take(name: str) -> None:
    """Where all layers are made at once, both ways to the cycles agree."""
    network = find_network(name)
    spec = replace(DEFAULT, bank_words=8192).with_classes([("fixed8", 8)])
    spec = network.with_room(spec)
    program = MappedProgram.planned(in_formats(network.graph, spec), spec)
    assert program.plain
    found = program_cycles(program)
    layers = estimate_cycles(Points.of([spec], "xcup"), network.layers)
    assert abs(found.total[0] / layers.total[0] - 1) < 0.01
    assert found.fits.all()


def test_bytes_are_the_programs() -> None:
    """Reads and writes; what strips move is part of them."""
    network = map_network(image_network(SMALL), SMALL)
    program = MappedProgram.of(network)
    found = program_cycles(program)
    loads = sum(one.fields["beats"] for one in program.program if one.unit is Unit.LOAD)
    read = loads * SMALL.axi_bytes + DESCRIPTOR_BYTES * len(program.program)
    stores = sum(one.fields["words"] for one in program.program if one.unit is Unit.STORE)
    assert found.read_bytes.sum() == read
    assert found.written_bytes.sum() == stores * SMALL.word_pitch
    # Both images of 32 x 32 x 16, and what the second layer reads twice: two lines a strip.
    assert program.strips == 2
    assert 3 * 32 * 32 * 16 < program.memory_bytes < 4 * 32 * 32 * 16


def test_slower_memory_takes_longer() -> None:
    program = MappedProgram.of(map_network(image_network(SMALL), SMALL))
    assert program_cycles(program, 1.0).total[0] > program_cycles(program).total[0]
    assert program_cycles(program, 99.0).total[0] == program_cycles(program).total[0]


def test_layers_made_at_once_are_estimated_as_layers() -> None:
    """A network that fits is estimated as in a sweep; one that does not, by its program."""
    fits = find_network("resnet-8", DEFAULT)
    assert fits.program is None
    layers = estimate_cycles(Points.of([DEFAULT], "xcup"), fits.layers)
    assert machine_cycles(fits, DEFAULT).total[0] == layers.total[0]
    large = find_network("mobilenet-v1", DEFAULT)
    assert large.program is not None
    assert machine_cycles(large, DEFAULT).total[0] == program_cycles(large.program).total[0]


def test_plan_and_build_have_the_same_program() -> None:
    """Weights are packed in one of them only."""
    graph = deep_network(SMALL)
    planned, built = (
        MappedProgram.planned(graph, SMALL),
        MappedProgram.of(map_network(graph, SMALL)),
    )
    assert (planned.strips, planned.parts) == (built.strips, built.parts) == (1, 1)
    assert program_cycles(planned).total[0] == program_cycles(built).total[0]
    assert mapped_layers(graph, map_network(graph, SMALL))[0].name == built.layers[0].name
