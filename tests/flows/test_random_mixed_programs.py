"""Random programs on machines of several row classes, under random memory stalls."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.graph import run_graph
from models.machine_spec import MachineSpec
from tests.flows.machines import FOUR_BIT, MIXED, PACKED, job, run_jobs, simulator
from tests.oracles.case import compare
from tests.random_networks import KINDS, random_codes, random_network

SEEDS = 15
SEED = 2_027


@pytest.mark.parametrize("spec", [MIXED, PACKED, FOUR_BIT], ids=["mixed", "packed", "four-bit"])
def test_machine_equals_golden(spec: MachineSpec, simulators: Path, tmp_path: Path) -> None:
    """105 programs a machine (four bits: 30): graph = golden machine = RTL, every code.

    Rows are drawn from the machine's classes, often in other shares than its own.
    """
    jobs = []
    for kind in KINDS if spec.act_bits == 8 else ("gemm", "convolution"):
        for seed in range(SEEDS):
            graph = random_network(kind, seed, spec.classes, spec.act_bits)
            codes = random_codes(graph, seed)
            jobs.append((kind, job(f"{kind} network {seed}", graph, codes[0], spec), codes))
    system = simulator(spec, simulators, optimise=False)
    results = run_jobs(system, [one for _, one, _ in jobs], tmp_path, seed=SEED)
    for (_, one, codes), result in zip(jobs, results, strict=True):
        compare(one.name, "output", result.output, run_graph(one.graph, codes)[0])
    print(f"{len(jobs)} programs, {sum(r.cycles for r in results)} cycles, seed {SEED}")
