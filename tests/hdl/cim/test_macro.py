"""The emulated macro against its golden: every result of noisy products on many dies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hdl.cim.macro import Macro
from hdl.cim.shape import MacroShape
from models.cim.cim_spec import CimSpec
from models.cim.die import make_die
from models.cim.physics import Physics
from models.cim.presets import find_preset
from tests.support.hdl.macro_products import (
    Job,
    compare,
    exact_job,
    job_round,
    random_job,
    random_window,
)
from tests.support.hdl.plan import run_rounds


@dataclass(frozen=True, kw_only=True)
class Case:
    """A macro, and how much is computed on it."""

    shape: MacroShape
    dies: int
    vectors: int
    conversions: int
    """At least so many are compared."""


CASES = {
    "pim-qat": Case(
        shape=MacroShape(spec=find_preset("pim-qat", columns=16), tiles=3),
        dies=8,
        vectors=18,
        conversions=30_000,
    ),
    "pim-qat-differential": Case(
        shape=MacroShape(
            spec=find_preset("pim-qat:differential", columns=8), lanes=12, tiles=2, calibrated=True
        ),
        dies=5,
        vectors=20,
        conversions=4_000,
    ),
    "forms": Case(
        shape=MacroShape(
            spec=find_preset("forms", columns=14), lanes=4, tiles=5, banks=2, trimmed=True
        ),
        dies=5,
        vectors=30,
        conversions=15_000,
    ),
    "forms-paired": Case(
        shape=MacroShape(
            spec=find_preset("forms", columns=14), lanes=4, tiles=6, banks=2, paired=True
        ),
        dies=4,
        vectors=20,
        conversions=12_000,
    ),
    "cap-ram": Case(
        shape=MacroShape(spec=find_preset("cap-ram", columns=9), banks=2),
        dies=5,
        vectors=12,
        conversions=4_000,
    ),
    "relu-macro": Case(
        shape=MacroShape(spec=find_preset("relu-macro", columns=6)),
        dies=5,
        vectors=40,
        conversions=500,
    ),
    "odd-sizes": Case(
        shape=MacroShape(
            spec=CimSpec(
                rows=24,
                columns=7,
                cells_per_unit=2,
                weight_bits=3,
                act_bits=5,
                dac_bits=2,
                adc_bits=6,
                fraction=3,
                zero_skip=True,
                physics=Physics(comparator_noise_mv=30.0, bow_lsb=0.6),
            ),
            lanes=3,
            banks=2,
            calibrated=True,
        ),
        dies=5,
        vectors=30,
        conversions=2_000,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_products(name: str, simulators: Path, tmp_path: Path) -> None:
    """Random operands, shapes, windows, runs and dies; all streams stall at random."""
    case, seed = CASES[name], 7
    shape = case.shape
    rng = np.random.default_rng(seed)
    jobs: list[Job] = []
    for die in range(case.dies):
        made = make_die(shape.spec, 1000 * seed + die)
        window = random_window(rng, shape.spec)
        jobs.append(random_job(rng, shape, made, vectors=case.vectors, window=window))
    if not shape.spec.relu:
        jobs.insert(1, exact_job(rng, shape, seed, vectors=10))
    both = [job_round(shape, job, load_die=True) for job in jobs]
    rounds, wants = [r for r, _ in both], [w for _, w in both]
    results = run_rounds(
        Macro(shape), "cim_macro", simulators, tmp_path, rounds, seed=seed, max_cycles=1_000_000
    )
    for number, (job, got, want) in enumerate(zip(jobs, results, wants, strict=True)):
        compare(shape, job, got["o"], want, f"{name}, round {number} (seed {seed})")
    noisy = sum(job.conversions() for job in jobs if job.die.dynamic)
    print(f"{name}: {noisy} noisy conversions on {case.dies} dies (seed {seed})")
    assert noisy >= case.conversions
