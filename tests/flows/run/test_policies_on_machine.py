"""Both trained networks by five policies, on machines with the rows for them: every code."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mixed_rows import MACHINES
from flows.onnx_import import load_network
from flows.work.inputs import read_inputs
from models.formats.row_classes import parse_row_classes
from models.machine.spec import MachineSpec
from models.network.graph import run_graph
from tests.support.machines import job, run_jobs, simulator
from tests.support.oracles.case import compare

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist"
POLICIES: dict[str, list[str]] = {}
for policy, text in MACHINES.items():
    POLICIES.setdefault(text, []).append(policy)


@pytest.mark.parametrize("rows", POLICIES)
def test_whole_networks(rows: str, simulators: Path, tmp_path: Path) -> None:
    """RTL = golden machine = integer graph: all tensors of one image with a stalling memory."""
    spec = MachineSpec().with_classes(parse_row_classes(rows))
    # As for a board: with the vendor's primitives, and our models of these.
    system = simulator(spec, simulators, optimise=False, family="xc7")
    jobs, graphs = [], []
    for policy in POLICIES[rows]:
        for name in ("vit", "resnet"):
            graph = load_network(EXAMPLES / "quantised" / f"{name}_{policy}.onnx")
            inputs = read_inputs(EXAMPLES / "samples.npz", graph.tensors[graph.input])
            codes = inputs.codes[len(jobs) : len(jobs) + 1]
            jobs.append(job(f"{name} {policy}", graph, codes[0], spec))
            graphs.append((graph, codes))
    results = run_jobs(system, jobs, tmp_path, seed=17)
    for (graph, codes), one, result in zip(graphs, jobs, results, strict=True):
        compare(one.name, "output", result.output, run_graph(graph, codes)[0])
        if rows != "fixed8:16":
            others = [c.format for c in spec.classes if not c.fixed]
            assert all(one.network.row_use[name] > 0.3 for name in others)
