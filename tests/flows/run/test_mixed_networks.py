"""Networks that are hard in several ways at once: integer graph = golden machine = RTL."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from flows.mapper.place import MappingError
from models.machine.spec import MachineSpec
from models.network.graph import run_graph
from tests.support.machines import Job, job, run_jobs, simulator
from tests.support.mixed_networks import FEATURES, features, mixed_network
from tests.support.oracles.case import compare
from tests.support.random_networks import random_codes
from tests.support.specs import FOUR_BIT, MIXED, ODD, PACKED, SMALL

MACHINES = {
    name: replace(spec, bank_words=spec.bank_words // 4)
    for name, spec in (
        ("small", SMALL), ("odd", ODD), ("mixed", MIXED), ("packed", PACKED),
        ("four-bit", FOUR_BIT),
    )
}  # fmt: skip
"""The tests' machines with a quarter of their scratchpads: maps above them are quickly made."""

IN_EVERY_RUN, NETWORKS = ("odd",), 3
"""Machines and networks without ``--networks``: every simulator more takes its time to build."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All machines for a longer search, and for tests without a simulator."""
    few = metafunc.config.getoption("--networks") is None and "simulators" in metafunc.fixturenames
    names = IN_EVERY_RUN if few else tuple(MACHINES)
    metafunc.parametrize("spec", [MACHINES[name] for name in names], ids=names)


def test_machine_equals_golden(
    spec: MachineSpec, simulators: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Under random stalls, and memory that no store names is untouched.

    Of two networks one is mapped with a store of every tensor. What a machine refuses is counted
    and the next network taken. ``--networks 300`` is a longer search, on all five machines.
    """
    asked, seed = (request.config.getoption(name) for name in ("--networks", "--networks-seed"))
    count = NETWORKS if asked is None else asked
    jobs: list[Job] = []
    refused: Counter[str] = Counter()
    found: Counter[str] = Counter()
    first = seed
    while len(jobs) < count:
        graph = mixed_network(seed, spec)
        codes = random_codes(graph, seed)[0]
        try:
            jobs.append(job(f"mixed network {seed}", graph, codes, spec, trace=bool(seed % 2)))
            found.update(features(graph, spec))
        except MappingError as error:
            refused[_reason(error)] += 1
        seed += 1
    system = simulator(spec, simulators, optimise=asked is not None)
    results = run_jobs(system, jobs, tmp_path, seed=first)
    for one, result in zip(jobs, results, strict=True):
        compare(one.name, "output", result.output, run_graph(one.graph, one.codes[None])[0])
    cycles = sum(result.cycles for result in results)
    print(f"networks {first} to {seed - 1}: {count} equal, {cycles} cycles, refused {refused}")
    print(dict(found))


def _reason(error: MappingError) -> str:
    """An error without what differs from network to network."""
    text = str(error)
    text = text.partition(": ")[2] if text.startswith("layer ") else text
    return text.partition(" must ")[0]


def test_every_network_is_hard(spec: MachineSpec) -> None:
    """Each is above the scratchpad and the depth; all features occur within few of them."""
    found: Counter[str] = Counter()
    for seed in range(24):
        graph = mixed_network(seed, spec)
        own = features(graph, spec)
        assert {"above the scratchpad", "K above the depth"} <= own
        assert own & {"depthwise", "channel multiplier", "channels in groups"}
        found.update(own)
    missing = set(FEATURES) - set(found)
    assert missing == ({"attention"} if spec.act_bits < 8 else set())
