"""Networks whose tensors exceed the scratchpad, on the RTL under random memory stalls."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.machine.spec import MachineSpec
from models.network.graph import run_graph
from tests.support.large_networks import large_network
from tests.support.machines import job, run_jobs, simulator
from tests.support.oracles.case import compare
from tests.support.random_networks import random_codes
from tests.support.specs import ODD, PACKED, SMALL

SEED = 17


@pytest.mark.parametrize("spec", [SMALL, ODD, PACKED], ids=["small", "odd", "packed"])
def test_machine_equals_golden(spec: MachineSpec, simulators: Path, tmp_path: Path) -> None:
    """Loads from the work window wait for stores to it; memory outside the windows is untouched."""
    jobs, codes = [], []
    for seed in range(40):
        graph = large_network(seed, spec.classes)
        image = random_codes(graph, seed)
        one = job(f"large network {seed}", graph, image[0], spec, trace=False)
        if one.network.work_bytes:
            jobs.append(one)
            codes.append(image)
        if len(jobs) == 5:
            break
    system = simulator(spec, simulators, optimise=False)
    results = run_jobs(system, jobs, tmp_path, seed=SEED)
    for one, image, result in zip(jobs, codes, results, strict=True):
        compare(one.name, "output", result.output, run_graph(one.graph, image)[0])
    print(f"{len(jobs)} programs, {sum(r.cycles for r in results)} cycles, seed {SEED}")
