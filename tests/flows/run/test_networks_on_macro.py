"""Machines around a macro: RTL = golden machine = the network on the macro, noise and all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.cim.adc_steps import Chosen
from flows.cim.macro_machine import as_facts, from_facts, machine_layers, on_machine
from flows.cim.macro_network import MacroNetwork
from flows.estimate.cycles.graph_layers import graph_layers
from flows.estimate.cycles.macro_cycles import macro_cycles
from flows.onnx_import import load_network
from flows.work.inputs import read_inputs
from models.cim.choice import MacroChoice
from models.cim.golden.adc import Window, full_range
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph, run_graph
from models.numerics.rescale import Integers
from models.ops.convolution import Convolution
from tests.support.machines import job, run_jobs, simulator
from tests.support.oracles.case import compare
from tests.support.random_networks import KINDS, random_codes, random_network

SEED = 4_711
EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist"

NATIVE = MachineSpec(
    lanes=4, tokens=1, rows=4, vector_lanes=2, depth=512, banks=2, bank_words=2048,
    param_entries=64, row_group=4, axi_width=32,
    macro=MacroChoice(preset="pim-qat:native", columns=8, slices=2, die=5),
)  # fmt: skip
DIFFERENTIAL = MachineSpec(
    lanes=3, tokens=2, rows=6, vector_lanes=3, depth=576, banks=2, bank_words=2048,
    param_entries=128, row_group=4, axi_width=64,
    macro=MacroChoice(preset="pim-qat:differential", columns=48, slices=8, die=6, adc_bits=5),
)  # fmt: skip
FORMS_4 = MachineSpec(
    lanes=4, tokens=2, rows=8, vector_lanes=2, depth=512, banks=2, bank_words=2048,
    param_entries=128, row_group=4, axi_width=32,
    macro=MacroChoice(preset="forms:4", columns=32, slices=4, die=9),
)  # fmt: skip
LOSSLESS = MachineSpec(
    lanes=4, tokens=1, rows=4, vector_lanes=2, depth=576, banks=2, bank_words=2048,
    param_entries=64, row_group=4, axi_width=32,
    macro=MacroChoice(
        preset="pim-qat", columns=32, slices=8, adc_bits=8, static=False, dynamic=False
    ),
)  # fmt: skip
RELU = MachineSpec(
    lanes=16, tokens=1, rows=16, vector_lanes=2, depth=576, banks=2, bank_words=2048,
    param_entries=256,
    macro=MacroChoice(preset="relu-macro", columns=16, slices=1, die=7),
)  # fmt: skip


def random_windows(graph: IntegerGraph, spec: MachineSpec, seed: int) -> dict[str, Window]:
    """Windows that clip some sums and resolve others."""
    assert spec.macro is not None
    rng = np.random.default_rng(seed)
    cim = spec.macro.spec
    full = full_range(cim)
    found = {}
    for node in graph.nodes:
        if isinstance(node.operator, Convolution):
            step = max(1, full.step >> int(rng.integers(0, 5)))
            middle = -(step << cim.adc_bits - 1) if cim.signed else 0
            low = step * int(rng.integers(-3, 3)) if cim.zero_skip else 0
            found[node.name] = Window(step=step, offset=middle + low)
    return found


def chosen(windows: dict[str, Window]) -> dict[str, Chosen]:
    return {name: Chosen(window=window, largest=1000) for name, window in windows.items()}


def prepared(graph: IntegerGraph, spec: MachineSpec, codes: Integers, seed: int) -> MacroNetwork:
    windows = random_windows(graph, spec, seed)
    return on_machine(graph, spec, codes, chosen=chosen(windows))


@pytest.mark.parametrize(
    ("spec", "seeds"),
    [
        pytest.param(NATIVE, 3, id="native"),
        pytest.param(DIFFERENTIAL, 2, id="differential"),
        pytest.param(FORMS_4, 2, id="forms:4"),
    ],
)
def test_random_networks(spec: MachineSpec, seeds: int, simulators: Path, tmp_path: Path) -> None:
    """18 or 27 programs a machine, all kinds of layers, every tensor, under random memory stalls.

    One after the other in one machine: what only fills words up is of the network before.
    """
    jobs, networks = [], []
    for kind in KINDS:
        for seed in range(seeds):
            graph = random_network(kind, seed)
            codes = random_codes(graph, seed)
            network = prepared(graph, spec, codes, seed)
            layers = machine_layers(network, spec)
            jobs.append(job(f"{kind} network {seed}", graph, codes[0], spec, macro=layers))
            networks.append((network, codes))
    system = simulator(spec, simulators, optimise=False)
    results = run_jobs(system, jobs, tmp_path, seed=SEED)
    for run, (one, result) in enumerate(zip(jobs, results, strict=True)):
        network, codes = networks[run]
        compare(one.name, "output", result.output, network.run(codes[:1], run)[0])


@pytest.mark.usefixtures("few_known_counts")
def test_whole_network_with_noise(simulators: Path, tmp_path: Path) -> None:
    """The Fashion-MNIST CNN on a die of the ReLU macro, noise on: every tensor of an image."""
    graph = load_network(EXAMPLES / "resnet_int8.onnx")
    inputs = read_inputs(EXAMPLES / "samples.npz", graph.tensors[graph.input])
    network = on_machine(graph, RELU, inputs.codes[8:40])
    again = from_facts(graph, RELU, as_facts(network))
    layers = machine_layers(again, RELU)
    images, simulated = inputs.codes[:8], inputs.codes[:1]
    system = simulator(RELU, simulators, optimise=False)
    jobs = [job(f"image {i}", graph, x, RELU, macro=layers) for i, x in enumerate(simulated)]
    results = run_jobs(system, jobs, tmp_path)
    want = network.run(images)
    for index, result in enumerate(results):
        compare(f"image {index}", "output", result.output, want[index])
    layers_of = graph_layers(graph)
    relu = [x.name in network.layers and network.layers[x.name].spec.relu for x in layers_of]
    estimate = sum(one.cycles for one in macro_cycles(RELU, layers_of, relu))
    assert abs(estimate / results[0].cycles - 1) < 0.03
    exact = run_graph(graph, images)
    assert network.die.dynamic
    assert (want != exact).any(), "noise and mismatch must be there to be seen"
    assert (want.argmax(-1) == exact.argmax(-1)).mean() >= 0.75


def test_lossless_macro_is_the_integer_graph(simulators: Path, tmp_path: Path) -> None:
    """Without errors, and with a code for every count."""
    assert LOSSLESS.macro is not None
    jobs, wants = [], []
    one = 1 << LOSSLESS.macro.spec.fraction
    for kind in KINDS:
        for seed in range(2):
            graph = random_network(kind, seed)
            codes = random_codes(graph, seed)
            windows = {name: Window(step=one) for name in random_windows(graph, LOSSLESS, 0)}
            network = on_machine(graph, LOSSLESS, codes, chosen=chosen(windows))
            layers = machine_layers(network, LOSSLESS)
            jobs.append(job(f"{kind} {seed}", graph, codes[0], LOSSLESS, macro=layers))
            wants.append(run_graph(graph, codes)[0])
    system = simulator(LOSSLESS, simulators, optimise=False)
    results = run_jobs(system, jobs, tmp_path, seed=SEED)
    for item, result, want in zip(jobs, results, wants, strict=True):
        compare(item.name, "output", result.output, want)


def test_zero_skipping_saves_cycles(simulators: Path, tmp_path: Path) -> None:
    """An image of zeros takes fewer cycles than one of random codes; both are the golden's."""
    jobs, networks = [], []
    for kind in KINDS:
        graph = random_network(kind, 0)
        codes = random_codes(graph, 0)
        network = prepared(graph, FORMS_4, codes, 0)
        layers = machine_layers(network, FORMS_4)
        zeros = np.full_like(codes, codes.min())
        for name, images in (("random", codes), ("zeros", zeros)):
            jobs.append(job(f"{kind}, {name}", graph, images[0], FORMS_4, macro=layers))
            networks.append((network, images))
    results = run_jobs(simulator(FORMS_4, simulators, optimise=False), jobs, tmp_path)
    for run, (one, result) in enumerate(zip(jobs, results, strict=True)):
        network, images = networks[run]
        compare(one.name, "output", result.output, network.run(images[:1], run)[0])
    cycles = np.array([result.cycles for result in results]).reshape(-1, 2)
    saved = 1 - cycles[:, 1] / cycles[:, 0]
    print("share of cycles saved, network by network:", saved.round(3))
    assert saved.min() > -0.01
    assert saved.max() > 0.05
