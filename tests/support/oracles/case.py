"""A third-party case: a network, what goes in, and what other people's code made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from models.network.graph import IntegerGraph, run_graph
from models.numerics.rescale import Integers

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
"""Where third-party data lies beside the checkout; it is not part of the project."""


def data_folder(name: str) -> Path:
    """A folder of third-party data, or a skip that says what is missing."""
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"needs the third-party data folder {name!r}, which is not here")
    return folder


@dataclass(frozen=True, kw_only=True)
class Case:
    """Expected codes of some (often all) tensors of a network, for the images given."""

    name: str
    kind: str
    graph: IntegerGraph
    codes: Integers = field(repr=False)
    expected: Mapping[str, Integers] = field(repr=False)

    def check_golden(self) -> int:
        """Run the golden; compare every expected tensor. Gives the number of codes compared."""
        seen: dict[str, Integers] = {}
        run_graph(self.graph, self.codes, seen.__setitem__)
        count = 0
        for tensor, want in self.expected.items():
            compare(self.name, tensor, seen[tensor], want)
            count += want.size
        return count


def compare(case: str, tensor: str, got: Integers, want: Integers) -> None:
    """Exact comparison; a failure names the first wrong element."""
    assert got.shape == want.shape, f"{case}: {tensor} has shape {got.shape}, want {want.shape}"
    wrong = np.argwhere(got != want)
    if len(wrong):
        at = tuple(int(i) for i in wrong[0])
        raise AssertionError(
            f"{case}: {tensor}{list(at)} is {got[at]}, want {want[at]} "
            f"({len(wrong)} of {want.size} wrong)"
        )
