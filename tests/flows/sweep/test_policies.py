"""Rows of machines by quantisation policies."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.cli import main
from flows.errors import UserError
from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.found_network import find_network
from flows.estimate.machine_points import Points
from flows.quantise import POLICIES, Choices
from flows.quantise.assignment import assign
from flows.quantise.policies import Rows
from flows.sweep.definition import read_definition
from flows.sweep.evaluate import evaluate
from flows.sweep.point_machine import classes_text, machine_of
from flows.sweep.policy_rows import default_ratio, policy_rows

pytestmark = pytest.mark.slow

FILES = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist" / "quantised"
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("rows", [16, 32, 40])
@pytest.mark.parametrize("name", POLICIES)
def test_machines_have_the_rows_of_a_layer(name: str, rows: int) -> None:
    """As many of each format as a layer of so many rows; fixed point first, 8 bits best."""
    policy = POLICIES[name]()
    rng = np.random.default_rng(rows)
    layer = Rows(matrix=rng.normal(size=(rows, 24)), second=np.eye(24)[None])
    choices = Choices(policy=policy, ratio=policy.ratio)
    found = policy_rows(name, None, rows)
    assert Counter({one.format: one.rows for one in found}) == Counter(
        assign(policy, choices.ratio, layer, choices.group)
    )
    bits = [one.book.bits for one in found if one.fixed]
    assert bits == sorted(bits, reverse=True)
    assert [one.fixed for one in found] == sorted((one.fixed for one in found), reverse=True)


@pytest.mark.parametrize(
    ("point", "rows"),
    [
        ({"policy": "rmsmp", "rows": "16"}, "fixed8:1,fixed4:5,pot4:10"),
        ({"policy": "rmsmp", "rows": "32", "ratio": "50:25:25"}, "fixed8:8,fixed4:8,pot4:16"),
        ({"policy": "rmsmp", "rows": "32", "ratio": "50:50:0"}, "fixed4:16,pot4:16"),
        ({"policy": "auto-vit-acc", "rows": "16", "ratio": "25"}, "fixed8:12,pot4:4"),
        ({"policy": "msq", "board": "zcu102"}, "fixed4:5,sp2:11"),
        ({"policy": "vaqf"}, "binary:8"),
    ],
)
def test_ratios(point: dict[str, Any], rows: str) -> None:
    spec = machine_of(point)
    assert classes_text(spec) == rows
    plain = {n: v for n, v in point.items() if n not in ("policy", "ratio")}
    assert machine_of({**plain, "rows": rows}) == spec
    value, same = evaluate([{"network": "resnet-8", "vector_lanes": 4, **one} for one in
                            (point, {**plain, "rows": rows})])  # fmt: skip
    assert value.value is not None
    assert value.value.pop("classes") == rows
    assert value.value == same.value


@pytest.mark.parametrize("rows", ["16", "32"])
@pytest.mark.parametrize("policy", ["rmsmp", "auto-vit-acc"])
def test_rows_of_a_network_by_the_policy_fit(policy: str, rows: str) -> None:
    """The estimate by shapes is that of the very file, mapped row by row to the machine."""
    point: dict[str, Any] = {"network": str(FILES / f"resnet_{policy}.onnx"), "policy": policy}
    point["rows"] = rows
    spec = machine_of(point)
    mapped = find_network(point["network"], spec).layers
    cycles = int(estimate_cycles(Points.of([spec], "xc7"), mapped).total[0])
    (found,) = evaluate([point])
    assert found.value is not None
    assert found.value["cycles"] == cycles


@pytest.mark.parametrize(
    ("point", "line"),
    [
        (
            {"policy": "rmsmp", "rows": "fixed8:8,pot4:8"},
            "rows must be a number with policy rmsmp, such as rows=16/32, not fixed8:8,pot4:8",
        ),
        ({"ratio": "40:60"}, "ratio must come with a policy, such as rmsmp, not alone"),
        (
            {"policy": "rmsmp", "ratio": "60:40"},
            "ratio of rmsmp must be 3 percentages (pot4:fixed4:fixed8), not 2",
        ),
        ({"policy": "rmsmp", "ratio": "60:40:5"}, "ratio must sum to 100, not 105"),
        (
            {"policy": "int8", "ratio": "100"},
            "policy int8 must have no ratio: all its rows are fixed8",
        ),
        (
            {"policy": "film-qnn", "rows": "8"},
            "rows must be enough for one of each format of film-qnn (fixed4:fixed8 = 95:5), not 8",
        ),
        (
            {"policy": "rmsnp"},
            f"policy must be one of {', '.join(POLICIES)}, not 'rmsnp'; did you mean 'rmsmp'?",
        ),
        (
            {"policy": "msq", "rows": "18"},
            "vector_lanes must be a divisor of rows = 18 and half a divisor of 16, not 8",
        ),
        (
            {"policy": "vaqf", "rows": "16", "network": "deit-tiny"},
            "rows for activations must be at least 8 for deit-tiny on this machine, not 0",
        ),
    ],
)
def test_contradictions_are_outcomes(point: dict[str, Any], line: str) -> None:
    bad, good = evaluate([point, {"policy": "rmsmp", "rows": "16"}])
    assert (bad.value, bad.error) == (None, line)
    assert good.value is not None


def test_default_ratios_are_what_a_policy_does_without() -> None:
    for name in POLICIES:
        ratio = default_ratio(name)
        assert policy_rows(name, ratio, 64) == policy_rows(name, None, 64)
    assert default_ratio("rmsmp") == "65:30:5"
    assert default_ratio("int8") is default_ratio("nobody") is None
    with pytest.raises(UserError, match="policy must be one of int8, "):
        policy_rows("nobody", None, 16)


def test_command_line(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text('[grid]\npolicy = ["auto-vit-acc"]\nratio = [40, "25:75"]\n')
    assert [point["ratio"] for point in read_definition(file, [])] == ["40", "25:75"]
    store = str(tmp_path / "s.sqlite")
    more = ["--set", "network=resnet-8", "--set", "rows=16", "-o", store]
    assert main(["sweep", str(file), *more, "--set", "policy=auto-vit-acc/esb", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["points"], found["estimated"], len(found["errors"])) == (4, 2, 1)
    points = [one for front in found["fronts"] for one in front["points"]]
    assert {one["classes"] for one in points} <= {"fixed8:10,pot4:6", "fixed8:12,pot4:4"}
    ends = "first and last layer in the same formats (--no-keep-ends) by esb"
    assert ends in found["assumptions"]
