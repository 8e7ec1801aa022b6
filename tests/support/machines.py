"""How a batch of networks is run on a simulated machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flows.mapper import MappedNetwork, map_network
from flows.mapper.macro_layer import MacroLayer
from flows.out_folder.memory_layout import memory_layout
from flows.run.execute import ImageResult, build_simulator, golden_run, image_result, image_run
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph
from models.numerics.rescale import Integers
from sim.conditions import IDEAL, RESTLESS, Conditions
from sim.system import Finished, System
from tests.support.oracles.case import compare

MEMORY_BYTES = 1 << 22


def simulator(
    spec: MachineSpec, cache: Path, *, optimise: bool = True, family: str = "generic"
) -> System:
    """The machine's simulator, from the cache if it was built before."""
    return build_simulator(spec, MEMORY_BYTES, cache, optimise=optimise, family=family)


@dataclass(frozen=True)
class Job:
    """A mapped network and the codes of one image for it."""

    name: str
    graph: IntegerGraph
    network: MappedNetwork
    codes: Integers


def job(
    name: str,
    graph: IntegerGraph,
    codes: Integers,
    spec: MachineSpec,
    *,
    trace: bool = True,
    macro: Mapping[str, MacroLayer] | None = None,
) -> Job:
    """Map a network; ``codes`` are those of one image, ``macro`` layers on a machine with one."""
    network = map_network(graph, spec, trace=trace, macro=macro)
    assert memory_layout(network).end <= MEMORY_BYTES
    return Job(name, graph, network, codes)


def run_jobs(
    system: System, jobs: Sequence[Job], work: Path, *, seed: int | None = None
) -> list[ImageResult]:
    """Run jobs in one simulator process; each must equal the golden machine in every code.

    With a seed the memory stalls at random, other runs in other ways; without it never does. Runs
    are numbered from 0, for the noise of a macro.
    """
    results: list[ImageResult] = []

    def finished(index: int, run: Finished) -> None:
        one = jobs[index]
        result = image_result(one.network, run, one.codes)
        output, trace = golden_run(one.network, one.codes, number=index)
        label = f"{one.name} (memory seed {None if seed is None else seed + index})"
        for tensor in trace:
            compare(label, tensor, result.trace[tensor], trace[tensor])
        compare(label, "output", result.output, output)
        results.append(result)

    runs = [
        image_run(
            one.network,
            one.codes,
            conditions=conditions(seed, index),
            watchdog=20_000,
            max_cycles=5_000_000,
            number=index,
        )
        for index, one in enumerate(jobs)
    ]
    system.simulate(runs, work, on_finished=finished)
    assert len(results) == len(jobs)
    return results


def conditions(seed: int | None, index: int) -> Conditions:
    """Memory behaviour of a run: ideal, or a mixture drawn from the seed."""
    if seed is None:
        return IDEAL
    rng = np.random.default_rng([seed, index])
    stalls: dict[str, Any] = {
        name: int(rng.choice([0, 30, 128, 220]))
        for name in ("stall_ar", "stall_r", "stall_aw", "stall_w", "stall_b", "early")
    }
    return replace(RESTLESS, **stalls, seed=seed + index + 1)
