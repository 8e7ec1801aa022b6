"""The machine of the board whose bus no other test simulates, with a part of its array."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flows.boards import find
from flows.machine.default import default_machine
from models.network.graph import run_graph
from tests.support.machines import job, run_jobs, simulator
from tests.support.oracles.case import compare
from tests.support.random_networks import KINDS, random_codes, random_network

SEEDS = range(300, 302)
MEMORY_SEED = 3_102


def test_zcu102_equals_golden(simulators: Path, tmp_path: Path) -> None:
    """Two programs of every kind on the 128-bit bus, under random memory stalls.

    The array has a quarter of the rows; words, bus, scratchpad and queues are those of the whole
    machine. A row is a row, and to compile all of them takes four minutes.
    """
    whole = default_machine(find("zcu102"))
    assert (whole.axi_width, whole.macs_per_cycle) == (128, 512)
    rows = [(kind.format, kind.rows // 4) for kind in whole.classes]
    spec = replace(whole, vector_lanes=whole.vector_lanes // 4).with_classes(rows)
    jobs, wants = [], []
    for kind in KINDS:
        for seed in SEEDS:
            graph = random_network(kind, seed, spec.classes)
            codes = random_codes(graph, seed)
            jobs.append(job(f"{kind} network {seed}", graph, codes[0], spec))
            wants.append(run_graph(graph, codes)[0])
    system = simulator(spec, simulators, optimise=False)
    results = run_jobs(system, jobs, tmp_path, seed=MEMORY_SEED)
    for one, result, want in zip(jobs, results, wants, strict=True):
        compare(one.name, "output", result.output, want)
    print(f"{len(jobs)} programs, {sum(r.cycles for r in results)} cycles, seed {MEMORY_SEED}")
