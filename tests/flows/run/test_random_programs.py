"""Random programs on machines of every kind of rows, under random memory stalls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from models.machine.spec import MachineSpec
from models.network.graph import run_graph
from tests.support.machines import job, run_jobs, simulator
from tests.support.oracles.case import compare
from tests.support.random_networks import KINDS, random_codes, random_network
from tests.support.specs import FOUR_BIT, MIXED, ODD, PACKED, SMALL

SEED = 2_026


@pytest.mark.parametrize(
    ("spec", "kinds", "seeds"),
    [
        pytest.param(SMALL, KINDS, 15, id="small"),
        pytest.param(ODD, KINDS, 15, id="odd"),
        pytest.param(MIXED, KINDS, 10, id="mixed"),
        pytest.param(PACKED, KINDS, 10, id="packed"),
        pytest.param(FOUR_BIT, ("gemm", "convolution"), 15, id="four-bit"),
    ],
)
def test_machine_equals_golden(
    spec: MachineSpec, kinds: Sequence[str], seeds: int, simulators: Path, tmp_path: Path
) -> None:
    """135 programs (90 and 30 with row classes): integer graph = golden machine = RTL, every code.

    Memory outside the writable windows must stay as it was; ``image_result`` checks all of it. With
    row classes rows are drawn from the machine's, often in other shares than its own.
    """
    jobs = []
    for kind in kinds:
        for seed in range(seeds):
            graph = random_network(kind, seed, spec.classes, spec.act_bits)
            codes = random_codes(graph, seed)
            jobs.append((kind, job(f"{kind} network {seed}", graph, codes[0], spec), codes))
    system = simulator(spec, simulators, optimise=False)
    results = run_jobs(system, [one for _, one, _ in jobs], tmp_path, seed=SEED)
    for (_, one, codes), result in zip(jobs, results, strict=True):
        compare(one.name, "output", result.output, run_graph(one.graph, codes)[0])
    print(f"{len(jobs)} programs, {sum(r.cycles for r in results)} cycles, seed {SEED}")
