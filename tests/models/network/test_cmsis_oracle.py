"""CMSIS-NN's own vectors, bit for bit, on the golden operators."""

from __future__ import annotations

import json

import pytest

from tests.support.oracles.case import data_folder
from tests.support.oracles.cmsis import load_cases, reason_left_out

pytestmark = pytest.mark.slow


def test_every_case_with_a_counterpart_is_exact() -> None:
    cases = load_cases()
    codes = sum(case.check_golden() for case in cases)
    kinds = {case.kind for case in cases}
    assert kinds == {
        "convolution",
        "depthwise convolution",
        "grouped convolution",
        "fully connected",
        "batch matmul",
        "average pooling",
        "max pooling",
    }
    print(f"{len(cases)} cases, {codes} codes, {len(kinds)} kinds of operators")


def test_nothing_is_left_out_without_a_reason() -> None:
    names = set(json.loads((data_folder("cmsis_nn") / "cases.json").read_text()))
    taken = {case.name for case in load_cases()}
    left = {name for name in names if reason_left_out(name)}
    assert taken | left == names
    assert not taken & left
