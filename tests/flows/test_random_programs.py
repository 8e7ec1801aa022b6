"""Random programs on a small and an odd-sized machine, under random memory stalls."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.graph import run_graph
from models.machine_spec import MachineSpec
from tests.flows.machines import ODD, SMALL, job, run_jobs, simulator
from tests.oracles.case import compare
from tests.random_networks import KINDS, random_codes, random_network

SEEDS = 43
SEED = 2_026


@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
def test_machine_equals_golden(spec: MachineSpec, simulators: Path, tmp_path: Path) -> None:
    """301 programs a machine: integer graph = golden machine = RTL, every tensor, every code.

    Memory outside the writable windows must stay as it was; ``image_result`` checks all of it.
    """
    jobs = []
    for kind in KINDS:
        for seed in range(SEEDS):
            graph = random_network(kind, seed)
            codes = random_codes(graph, seed)
            jobs.append((kind, job(f"{kind} network {seed}", graph, codes[0], spec), codes))
    system = simulator(spec, simulators, optimise=False)
    results = run_jobs(system, [one for _, one, _ in jobs], tmp_path, seed=SEED)
    for (_, one, codes), result in zip(jobs, results, strict=True):
        compare(one.name, "output", result.output, run_graph(one.graph, codes)[0])
    print(f"{len(jobs)} programs, {sum(r.cycles for r in results)} cycles, seed {SEED}")
