"""Which rows get which format: the ratio holds in every group, and the right rows are taken."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.errors import UserError
from flows.quantise.assignment import assign
from flows.quantise.policies import POLICIES, Rows, find_policy
from flows.quantise.ratio import counts, parse_ratio

RATIOS = st.lists(st.integers(0, 50), min_size=1, max_size=2).map(
    lambda parts: (100 - sum(parts), *parts)
)


@given(RATIOS, st.integers(0, 300))
def test_counts_are_exact_and_never_leave_the_expensive_classes_too_much(
    ratio: tuple[int, ...], rows: int
) -> None:
    found = counts(ratio, rows)
    assert sum(found) == rows
    assert min(found) >= 0
    assert rows - found[0] <= math.ceil((100 - ratio[0]) * rows / 100)
    for share, count in zip(ratio, found, strict=True):
        assert abs(count - share * rows / 100) <= 1.5


@pytest.mark.parametrize(
    ("ratio", "rows", "want"),
    [
        ((65, 30, 5), 16, (10, 5, 1)),
        ((60, 35, 5), 16, (10, 5, 1)),
        ((95, 5), 16, (15, 1)),
        ((40, 60), 16, (6, 10)),
        ((67, 33), 16, (11, 5)),
        ((65, 30, 5), 100, (65, 30, 5)),
    ],
)
def test_counts_of_the_papers_ratios(
    ratio: tuple[int, ...], rows: int, want: tuple[int, ...]
) -> None:
    assert counts(ratio, rows) == want


def random_rows(rows: int, depth: int = 12, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(depth, depth))
    matrix = rng.normal(size=(rows, depth)) * rng.uniform(0.2, 2, (rows, 1))
    return Rows(matrix, (mix @ mix.T)[None])


@settings(max_examples=30)
@given(
    st.sampled_from(sorted(POLICIES)),
    st.integers(1, 70),
    st.sampled_from([0, 8, 16]),
    st.integers(),
)
def test_the_ratio_holds_in_every_group(name: str, total: int, group: int, seed: int) -> None:
    policy = find_policy(name)
    kinds = assign(policy, policy.ratio, random_rows(total, seed=abs(seed)), group)
    step = group or total
    for start in range(0, total, step):
        part = kinds[start : start + step]
        found = tuple(part.count(kind) for kind in policy.formats)
        assert found == counts(policy.ratio, len(part))


def test_low_variance_becomes_a_power_of_two_and_high_loss_gets_8_bits() -> None:
    rows = random_rows(100)
    kinds = np.array(assign(find_policy("rmsmp"), (65, 30, 5), rows, 0))
    assert rows.variance[kinds == "pot4"].max() < rows.variance[kinds == "fixed4"].min()
    kinds = np.array(assign(find_policy("film-qnn"), (95, 5), rows, 0))
    error = rows.output_error("fixed4")
    assert error[kinds == "fixed8"].min() > error[kinds == "fixed4"].max()


def test_widths_of_auto_vit_acc_are_coupled() -> None:
    assert find_policy("auto-vit-acc").formats == ("pot4", "fixed8")
    assert find_policy("auto-vit-acc", 4).formats == ("pot3", "fixed4")


@pytest.mark.parametrize(
    ("name", "text", "want"),
    [
        ("rmsmp", None, (65, 30, 5)),
        ("rmsmp", "50:25:25", (50, 25, 25)),
        ("auto-vit-acc", "35", (35, 65)),
        ("msq", "60:40", (60, 40)),
        ("int8", None, (100,)),
    ],
)
def test_ratio(name: str, text: str | None, want: tuple[int, ...]) -> None:
    assert parse_ratio(text, find_policy(name)) == want


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rmsmp", "65:30:6", "ratio must sum to 100, not 101"),
        ("rmsmp", "65:35", r"ratio of rmsmp must be 3 percentages \(pot4:fixed4:fixed8\), not 2"),
        ("msq", "1:2:97", r"ratio of msq must be 2 percentages \(sp2:fixed4\), not 3"),
        ("msq", "a:b", "ratio must be percentages of 0 to 100 separated by colons, not 'a:b'"),
        ("msq", "120:-20", "ratio must be percentages of 0 to 100"),
        ("int4", "50:50", "policy int4 must have no ratio: all its rows are fixed4"),
    ],
)
def test_other_ratios(name: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_ratio(text, find_policy(name))
