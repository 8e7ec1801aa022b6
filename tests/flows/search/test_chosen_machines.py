"""What is measured of machines that a search chose: simulated cycles, synthesised parts."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from benchmarks import chosen_cycles, chosen_resources, cycle_points, search_papers
from benchmarks.chosen_cycles import BLOCK, simulate
from benchmarks.search_papers import BOARD, CLOCK_MHZ, NETWORK
from benchmarks.vit_block import block_graph, block_shapes
from flows.boards import find
from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.found_network import find_network
from flows.estimate.cycles.graph_layers import mapped_layers
from flows.estimate.cycles.layer_graphs import layer_graph
from flows.estimate.cycles.machine_layer import Layer
from flows.estimate.machine_points import Points
from flows.estimate.resources.machine_synthesis import SynthesisedMachine
from flows.estimate.resources.resources import estimate_resources
from flows.mapper import MappingError, map_network
from flows.mapper.operands import code_range
from flows.search.find import Found, Goal, SearchResult, search
from models.formats.row_classes import parse_row_classes
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.network.graph import IntegerGraph
from models.numerics.rescale import Integers
from models.program.descriptor import decode_program
from models.program.layout import DESCRIPTOR_BYTES
from tests.support.measured import told_as_stale

pytestmark = pytest.mark.slow

SPEC = MachineSpec(tokens=4, rows=16, vector_lanes=16, depth=3072, bank_words=16384)
CYCLES = {
    "patches": [100, 20, 7],
    "deit-tiny block": [100, *range(1, 14), 50],
    "norm": [60, 30, 5],
    "head": [40, 900, 3],
}


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the graphs that were simulated, with made-up cycles."""
    names: list[str] = []

    def cycles(
        graph: IntegerGraph, spec: MachineSpec, codes: Integers, *, golden: bool
    ) -> tuple[list[Layer], list[int]]:
        names.append(graph.name)
        layers = mapped_layers(graph, map_network(graph, spec))
        return layers, CYCLES.get(graph.name, [1] * (len(layers) + 2))

    monkeypatch.setattr(chosen_cycles, "layer_cycles", cycles)
    return names


@cache
def found_machine(fps: int) -> Found:
    """The machine that a search chooses for this rate."""
    goal = Goal(network=find_network(NETWORK), board=find(BOARD), fps=fps, clock_mhz=CLOCK_MHZ)
    (machine,) = search(goal).machines
    return machine


@pytest.mark.parametrize("fps", [24, 30])
def test_machines_found_were_simulated(fps: int) -> None:
    """They are still what a search finds; layers of a block and the network are within 1 %."""
    if told_as_stale("cycles"):
        return
    machine = found_machine(fps)
    found = chosen_cycles.beside(NETWORK, machine.spec)
    assert abs(found["network"]["error"]) <= 0.01
    assert machine.cycles == pytest.approx(found["network"]["simulated_cycles"], rel=0.01)
    layers = found["layers_of_the_block"]
    assert len(layers) == 15
    assert all(abs(one["error"]) <= 0.01 for one in layers.values())
    assert (
        sum(one["simulated_cycles"] for one in layers.values())
        == (found["parts"][BLOCK]["simulated_cycles"])
    )


@pytest.mark.parametrize("fps", [24, 30])
def test_machines_found_were_synthesised(fps: int) -> None:
    """Estimated far outside the calibrated range, LUTs are within 10 %, DSP slices exact."""
    if told_as_stale("resources"):
        return
    found = chosen_resources.beside(found_machine(fps).spec, find(BOARD).family)
    assert abs(found["lut"]["error"]) <= 0.1
    assert abs(found["ff"]["error"]) <= 0.02
    assert found["dsp"]["error"] == 0


def test_an_interrupted_measurement_goes_on(tmp_path: Path, simulated: list[str]) -> None:
    file = tmp_path / "points.jsonl"
    simulate("deit-tiny", SPEC, file)
    assert simulated[0] == "deit-tiny block"
    assert len(simulated) == len(set(simulated)) == 4
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:2]))
    simulate("deit-tiny", SPEC, file)
    assert simulated[4:] == simulated[2:4]
    assert file.read_text().splitlines(keepends=True) == lines


def test_the_network_is_its_parts(tmp_path: Path, simulated: list[str]) -> None:
    file = tmp_path / "points.jsonl"
    simulate("deit-tiny", SPEC, file)
    network = chosen_cycles.beside("deit-tiny", SPEC, file)["network"]
    assert network["simulated_cycles"] == (100 + 20) + 12 * sum(range(1, 14)) + 30 + (900 + 3)
    # The search's own figure is of a network in which neighbours overlap: less than 1 % apart.
    whole = estimate_cycles(Points.of([SPEC], "xcup"), find_network("deit-tiny").layers)
    assert network["estimated_cycles"] == pytest.approx(int(whole.total[0]), rel=0.01)


def test_points_of_another_machine_do_not_count(tmp_path: Path, simulated: list[str]) -> None:
    file = tmp_path / "points.jsonl"
    simulate("deit-tiny", SPEC, file)
    assert chosen_cycles.beside("deit-tiny", replace(SPEC, param_entries=128), file) == {}
    assert chosen_cycles.beside("deit-small", SPEC, file) == {}
    assert len(chosen_cycles.beside("deit-tiny", SPEC, file)["parts"]) == len(simulated)


def test_a_rate_that_no_machine_meets_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    none = SearchResult(machines=(), tried=(), fastest=None, without={}, unlimited=0.0)
    monkeypatch.setattr(search_papers, "search", lambda *_, **__: none)
    text = "rate to check must be one that a machine meets, not 56.4"
    with pytest.raises(SystemExit, match=text):
        search_papers.compare(search_papers.PAPERS[-1], 0.9, [lambda spec: None])


@pytest.mark.parametrize(("rows", "moves"), [(8, True), (16, False)])
def test_options_of_large_arrays(monkeypatch: pytest.MonkeyPatch, rows: int, moves: bool) -> None:
    """Verilator's quadratic pass is left out for them alone: other simulators stay as they are."""
    built: list[dict[str, object]] = []
    monkeypatch.setattr(
        cycle_points, "build_simulator", lambda *_, **options: built.append(options)
    )
    cycle_points._simulator.__wrapped__(MachineSpec(tokens=8, lanes=16, rows=rows), 1 << 20)
    assert built == [{"options": () if moves else ("-fno-merge-cond-motion",)}]


def test_synthesised_once_and_set_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cost = estimate_resources(SPEC, "xcup")
    runs = []

    def machine(spec: MachineSpec, family: str, **_: object) -> SynthesisedMachine:
        runs.append((spec, family))
        return SynthesisedMachine(
            lut=2 * cost.lut, ff=cost.ff, dsp=cost.dsp, bram36=cost.bram36, parts=1, yosys="0.70"
        )

    monkeypatch.setattr(chosen_resources, "synthesise_machine", machine)
    monkeypatch.setattr(chosen_resources, "PARTS", tmp_path / "parts")
    file = tmp_path / "data" / "resources.jsonl"
    assert chosen_resources.beside(SPEC, "xcup", file) == {}
    for _ in range(2):
        chosen_resources.synthesise(SPEC, "xcup", file)
    assert runs == [(SPEC, "xcup")]
    found = chosen_resources.beside(SPEC, "xcup", file)
    assert found["lut"]["error"] == -0.5
    assert found["ff"]["error"] == 0
    assert chosen_resources.beside(SPEC, "xc7", file) == {}


@pytest.mark.parametrize("name", ["attention.scores", "attention.context"])
def test_rows_of_four_bits_hold_keys_and_values(name: str) -> None:
    spec = MachineSpec(tokens=4, bank_words=16384).with_classes(parse_row_classes("fixed4:16"))
    shape = block_shapes("deit-tiny")[name]
    map_network(layer_graph(shape, spec.classes), spec)
    with pytest.raises(MappingError, match=r"codes of 'constant0' must be -7 to 7 on this machine"):
        map_network(layer_graph(shape), spec)


def test_a_block_reads_all_that_its_layers_need() -> None:
    """No two layers share parameters, as in a trained network."""
    graph = block_graph("deit-tiny", SPEC.classes)
    network = map_network(graph, SPEC)
    program = decode_program(SPEC, network.image.tobytes())
    beats = sum(one.fields["beats"] for one in program if one.unit is Unit.LOAD)
    found = estimate_cycles(Points.of([SPEC], "xcup"), mapped_layers(graph, network))
    read = beats * SPEC.axi_bytes + DESCRIPTOR_BYTES * len(program)
    assert found.read_bytes.sum() == read


def test_a_block_on_rows_of_four_bits() -> None:
    spec = MachineSpec(tokens=4, depth=768, bank_words=16384).with_classes(
        parse_row_classes("fixed4:16")
    )
    graph = block_graph("deit-tiny", spec.classes)
    map_network(graph, spec)
    assert code_range(graph, "key") == code_range(graph, "value") == (-7, 7)
    assert code_range(graph, "query") == (-127, 127)
