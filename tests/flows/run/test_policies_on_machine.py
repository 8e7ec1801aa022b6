"""Trained networks by five policies, on a machine with the rows for them: every code."""

from __future__ import annotations

from pathlib import Path

from benchmarks.mixed_rows import MACHINES
from flows.onnx_import import load_network
from flows.work.inputs import read_inputs
from models.formats.row_classes import parse_row_classes
from models.machine.spec import MachineSpec
from models.network.graph import run_graph
from tests.support.machines import Job, job, run_jobs, simulator
from tests.support.oracles.case import compare

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist"
SPEC = MachineSpec(vector_lanes=2, banks=2, bank_words=4096).with_classes(
    [("fixed8", 8), ("pot4", 8), ("binary", 16)]
)
"""Rows for every policy; the machines of ``MACHINES`` have no other kinds."""
WITH_VIT = "vaqf"


def test_rows_are_those_of_the_policies() -> None:
    named = {row.format for text in MACHINES.values() for row in parse_row_classes(text)}
    assert named == {row.format for row in SPEC.classes}


def test_whole_networks(simulators: Path, tmp_path: Path) -> None:
    """RTL = golden machine = integer graph: all tensors of one image with a stalling memory.

    The CNN by all policies, and the ViT by one: pot4 rows meet attention in random programs.
    """
    # As for a board: with the vendor's primitives, and our models of these.
    system = simulator(SPEC, simulators, optimise=False, family="xc7")
    jobs: list[Job] = []
    graphs = []
    for policy in MACHINES:
        for name in ("vit", "resnet") if policy == WITH_VIT else ("resnet",):
            graph = load_network(EXAMPLES / "quantised" / f"{name}_{policy}.onnx")
            inputs = read_inputs(EXAMPLES / "samples.npz", graph.tensors[graph.input])
            codes = inputs.codes[len(jobs) : len(jobs) + 1]
            jobs.append(job(f"{name} {policy}", graph, codes[0], SPEC))
            graphs.append((graph, codes, parse_row_classes(MACHINES[policy])))
    results = run_jobs(system, jobs, tmp_path, seed=17)
    for (graph, codes, rows), one, result in zip(graphs, jobs, results, strict=True):
        compare(one.name, "output", result.output, run_graph(graph, codes)[0])
        others = [row.format for row in rows if not row.fixed]
        assert all(one.network.row_use[name] > 0.3 for name in others)
