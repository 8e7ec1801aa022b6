"""Third-party vectors on the RTL: one case of each kind of operator."""

from __future__ import annotations

from pathlib import Path

from flows.run.execute import ImageResult
from tests.support.machines import Job, job, run_jobs, simulator
from tests.support.oracles import deit
from tests.support.oracles.case import Case, compare
from tests.support.oracles.cmsis import load_cases
from tests.support.specs import DEFAULT, SMALL


def _jobs(cases: list[Case], spec: object) -> list[tuple[Case, int, Job]]:
    return [
        (case, index, job(f"{case.name} image {index}", case.graph, codes, spec))  # type: ignore[arg-type]
        for case in cases
        for index, codes in enumerate(case.codes)
    ]


def _check(jobs: list[tuple[Case, int, Job]], results: list[ImageResult]) -> None:
    for (case, index, one), result in zip(jobs, results, strict=True):
        for tensor, want in case.expected.items():
            got = result.trace[tensor]
            compare(one.name, tensor, got, want[index])


def test_cmsis_nn(simulators: Path, tmp_path: Path) -> None:
    """One case of each of the seven kinds, under random stalls."""
    chosen: dict[str, Case] = {}
    for case in load_cases():
        size = case.codes.size
        if case.kind not in chosen or 100 < size < chosen[case.kind].codes.size:
            chosen[case.kind] = case
    assert len(chosen) == 7
    jobs = _jobs(list(chosen.values()), SMALL)
    system = simulator(SMALL, simulators, optimise=False)
    _check(jobs, run_jobs(system, [one for _, _, one in jobs], tmp_path, seed=11))


def test_deit_tiny(simulators: Path, tmp_path: Path) -> None:
    """Every operator of block 0, fed with the goldens: one head of attention, 50 tokens else."""
    cases = deit.operator_cases(0, heads=1, tokens=50)
    assert len(cases) == 18
    jobs = _jobs(cases, DEFAULT)
    system = simulator(DEFAULT, simulators, family="xc7")
    _check(jobs, run_jobs(system, [one for _, _, one in jobs], tmp_path))
