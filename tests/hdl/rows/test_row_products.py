"""A million products through every row class, and mixtures of them drawn at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.formats import FORMATS
from tests.support.hdl.row_products import run_products

MILLION = 1_000_000

GROUPS = {
    "fixed-a8": (["fixed8", "fixed7", "fixed6", "fixed5", "fixed4", "fixed3", "fixed2"], 8),
    "fixed-a4": (["fixed8", "fixed6", "fixed4", "fixed2"], 4),
    "shift-a8": (["pot4", "esb4.1", "sp2", "binary", "ternary", "pot3"], 8),
    "shift-more-a8": (["pot5", "esb3.1", "esb4.2", "esb5.1", "esb5.2", "esb5.3"], 8),
    "shift-a4": (["pot3", "pot4", "esb4.1", "sp2", "binary", "ternary"], 4),
}


@pytest.mark.parametrize("group", GROUPS)
def test_a_million_products(group: str, simulators: Path, tmp_path: Path) -> None:
    names, act_bits = GROUPS[group]
    fixed = group.startswith("fixed")
    run_products(
        # Slices have two rows; of the others one is enough, with more tokens. Small grids are
        # quick to build, which is most of the time.
        [(name, 2 if fixed else 1) for name in names],
        products=MILLION,
        tokens=2 if fixed else 4,
        lanes=8,
        act_bits=act_bits,
        seed=31,
        simulators=simulators,
        work=tmp_path,
    )


def test_every_format_is_in_a_group() -> None:
    assert {name for names, _ in GROUPS.values() for name in names} == set(FORMATS)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_mixtures(seed: int, simulators: Path, tmp_path: Path) -> None:
    """Any classes in any order, with odd numbers of rows, tokens and lanes."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(sorted(FORMATS))[: rng.integers(2, 5)]
    classes = [(str(name), int(rng.integers(1, 4))) for name in chosen]
    rows = sum(count for _, count in classes)
    run_products(
        classes,
        products=20_000,
        tokens=int(rng.integers(1, 6)),
        lanes=int(rng.integers(1, 10)),
        act_bits=int(rng.choice([3, 4, 8, 9])),
        drain=max(d for d in range(1, 4) if rows % d == 0),
        seed=seed,
        simulators=simulators,
        work=tmp_path,
    )
