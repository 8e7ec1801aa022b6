"""Networks larger than the scratchpad and the weight store, on the RTL under random stalls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph, run_graph
from tests.support.large_networks import large_network
from tests.support.machines import job, run_jobs, simulator
from tests.support.oracles.case import compare
from tests.support.random_layers import Builder
from tests.support.random_networks import random_codes
from tests.support.specs import ODD, PACKED, SMALL

SEED = 17


def deep_linear(seed: int, spec: MachineSpec) -> IntegerGraph:
    """Linear layers whose K is two to five times what the weight store holds."""
    rng = np.random.default_rng([seed, 6])
    depth = spec.depth * int(rng.integers(2, 5)) + int(rng.integers(0, 50))
    b = Builder(rng, (int(rng.integers(1, 9)), depth), classes=spec.classes)
    out = b.linear(b.map("input"), int(rng.integers(1, 40)), wide=bool(seed % 2))
    return b.graph(f"deep-{seed}", out)


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
    for seed in range(5):
        graph = deep_linear(seed, spec)
        codes.append(random_codes(graph, seed))
        jobs.append(job(f"deep network {seed}", graph, codes[-1][0], spec))
    system = simulator(spec, simulators, optimise=False)
    results = run_jobs(system, jobs, tmp_path, seed=SEED)
    for one, image, result in zip(jobs, codes, results, strict=True):
        compare(one.name, "output", result.output, run_graph(one.graph, image)[0])
    print(f"{len(jobs)} programs, {sum(r.cycles for r in results)} cycles, seed {SEED}")
