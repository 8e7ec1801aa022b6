"""Sweeps: what is defined, what comes out, what is refused."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.cli import main
from flows.errors import UserError
from flows.estimate.cycles.found_network import find_network
from flows.estimate.resources.resources import estimate_resources
from flows.sweep.definition import Definition, point_key, read_definition
from flows.sweep.evaluate import ESTIMATE, MAPPING, evaluate
from flows.sweep.front import COSTS, front, pareto
from flows.sweep.measure import SYNTHESIS, work
from flows.sweep.model_mark import model_mark
from flows.sweep.point_machine import machine_of
from flows.sweep.point_store import Outcome, Store
from flows.sweep.sweep_run import fronts, sweep
from flows.sweep.sweep_workers import DaskWorkers, local_workers

CNN = str(Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist" / "resnet_int8.onnx")
Capture = pytest.CaptureFixture[str]


def test_definition_of_file_and_settings(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(
        '[grid]\nlanes = [4, 8]\ntokens = "2..6:2"\nrows = ["8", "fixed8:4,pot4:4"]\n'
        '[[point]]\nboard = "zcu102"\nclock_mhz = 150\n'
    )
    found = read_definition(file, ["lanes=16", "bandwidth_mb_s=1e3,2e3"])
    points = list(found)
    assert len(found) == len(points) == 1 * 3 * 2 * 2 + 1
    assert points[0] == {"lanes": 16, "tokens": 2, "rows": "8", "bandwidth_mb_s": 1000.0}
    assert points[-1] == {"board": "zcu102", "clock_mhz": 150}
    assert {p.get("tokens") for p in points} == {2, 4, 6, None}


DEFINITIONS = [
    (["lanez=4"], "parameter must be one of board, network, .*, not 'lanez' .perhaps lanes."),
    (["lanes"], "--set must be NAME=VALUES, such as lanes=4,8, not 'lanes'"),
    (["lanes=8..4"], r"lanes must have at least one value, such as .*, not '8\.\.4'"),
    (["lanes=four"], "lanes must be numbers such as lanes=4,8 or tokens=2..8, not 'four'"),
    (["lanes=0"], "lanes must be more than 0, not 0"),
    (["rows= / "], "rows must have at least one value"),
    ([], "sweep must have at least one point, such as --set lanes=4,8, not none"),
]


@pytest.mark.parametrize(("settings", "text"), DEFINITIONS)
def test_refused_settings(settings: list[str], text: str) -> None:
    with pytest.raises(UserError, match=text):
        read_definition(None, settings)


FILES = [
    ("[grid", "must be a TOML file"),
    ("[gird]\nlanes = [4]", "must have grid and point tables only, not 'gird'"),
    ("[grid]\nlanes = []", r"lanes must have at least one value, such as lanes = \[...\], not"),
    ("[grid]\nlanes = [4.5]", "lanes must be a whole number, not 4.5"),
    ("[grid]\nlanes = [true]", "lanes must be a number, not True"),
    ("[grid]\nboard = [7]", "board must be a text, not 7"),
    ("[[point]]\nlanse = 4", "not 'lanse' .perhaps lanes."),
    ("point = 4", "must have a table .grid. and tables ..point.."),
]


@pytest.mark.parametrize(("content", "text"), FILES)
def test_refused_files(content: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(content)
    with pytest.raises(UserError, match=text):
        read_definition(file, [])


def test_points_are_what_estimates_are() -> None:
    """Figures of a batch are those of single machines; a bad point leaves the others be."""
    points = list(
        Definition(
            {
                "board": ["zcu102", "arty-z7-20"],
                "network": [CNN, "resnet-8", "nobody"],
                "lanes": [8, 7],
                "rows": ["16", "fixed8:8,pot4:8", "fixed9:8"],
                "bandwidth_mb_s": [100.0, 5000.0],
            }
        )
    )
    found = evaluate(points)
    assert [o.point for o in found] == [point_key(p) for p in points]
    texts = {o.error for o in found if o.error}
    assert any("row format must be one of" in text for text in texts)
    assert any("network must be a file or one of" in text for text in texts)
    good = [(p, o.value) for p, o in zip(points, found, strict=True) if o.value]
    assert len(good) >= 6
    for point, value in good:
        spec = machine_of(point)
        family = "xcup" if point["board"] == "zcu102" else "xc7"
        alone = estimate_resources(spec, family)
        assert {n: value[n] for n in COSTS} == {n: getattr(alone, n) for n in COSTS}
        assert evaluate([point])[0].value == value
    slow = {point_key({**p, "bandwidth_mb_s": 0}): v["cycles"] for p, v in good
            if p["bandwidth_mb_s"] == 100.0}  # fmt: skip
    for point, value in good:
        if point["bandwidth_mb_s"] == 5000.0:
            assert value["cycles"] < slow[point_key({**point, "bandwidth_mb_s": 0})]


@given(st.lists(st.tuples(*[st.integers(0, 5)] * 5), max_size=30))
def test_front_is_of_points_that_nothing_beats(table: list[tuple[int, ...]]) -> None:
    values = [dict(zip(("fps", *COSTS), row, strict=True)) for row in table]

    def beats(a: dict[str, int], b: dict[str, int]) -> bool:
        as_good = a["fps"] >= b["fps"] and all(a[c] <= b[c] for c in COSTS)
        return as_good and a != b

    chosen = pareto(values)
    for index, value in enumerate(values):
        assert (value in [values[i] for i in chosen]) == (not any(beats(v, value) for v in values))
        assert index not in chosen or [values[i] for i in chosen].count(value) == 1
    for index in front(values, "lut"):
        assert not any(v["fps"] > values[index]["fps"] and v["lut"] <= values[index]["lut"]
                       for v in values)  # fmt: skip


def test_stages_and_a_second_run(tmp_path: Path) -> None:
    """Synthesis of the front only; what is in the store is not done again, what fails is told."""
    definition = Definition({"network": ["resnet-8"], "lanes": [8, 16], "queue_depth": [4, 5, 6]})
    done: list[tuple[str, int]] = []

    def worker(task):  # type: ignore[no-untyped-def]
        if task.stage == MAPPING:
            return work(task)
        done.append((task.stage, len(task.points)))
        if task.stage == ESTIMATE:
            return evaluate(task.points)
        key = point_key(task.points[0])
        if len(done) % 2:
            return [Outcome(point=key, stage=task.stage, error="too hard")]
        return [Outcome(point=key, stage=task.stage, value={"lut": 1})]

    store = Store(tmp_path / "s.sqlite", model_mark())
    for _ in range(2):
        sweep(definition, store, local_workers(1, worker), synthesise="front")
    assert done[0] == (ESTIMATE, 6)
    assert 0 < len(done) - 1 < 6
    assert all(stage == SYNTHESIS for stage, _ in done[1:])
    assert len(list(store.outcomes(SYNTHESIS))) == len(done) - 1
    assert sum(o.value is not None for o in store.outcomes(ESTIMATE)) == 6


def test_no_front_has_a_machine_that_the_mapper_refuses(tmp_path: Path) -> None:
    """The scores of DeiT-T do not fit beside what lives with them, which no single layer tells."""
    definition = Definition(
        {
            "board": ["zcu102"],
            "network": ["deit-tiny"],
            "tokens": [2],
            "rows": ["8"],
            "vector_lanes": [8],
            "bank_words": [1024, 8192],
        }
    )
    store = Store(tmp_path / "s.sqlite", model_mark())
    sweep(definition, store, local_workers(1))
    outcomes = list(store.outcomes())
    assert all(one.stage == ESTIMATE for one in outcomes)
    known = {one.point: one.value for one in outcomes if one.value is not None}
    (((_, board), front_keys),) = fronts(known, known)
    assert board == "zcu102"
    for key in front_keys:
        point = json.loads(key)
        assert find_network("deit-tiny").refusal(machine_of(point)) is None
        assert known[key]["maps"] == "as it is"
    refused = {o.point: o.error for o in outcomes if o.error}
    assert refused
    # One layer's operands and result do not fit, which the estimate tells before the mapper.
    assert all(reason.startswith("banks * bank_words must be") for reason in refused.values())
    for key in refused:
        assert find_network("deit-tiny").refusal(machine_of(json.loads(key))) is not None


def test_refused_stores(tmp_path: Path) -> None:
    file = tmp_path / "s.sqlite"
    file.write_bytes(b"not a database, but long enough to be looked at" * 30)
    with pytest.raises(UserError, match=r"store must be a file that rowmac sweep can use, not .*"):
        Store(file, "model")
    file.unlink()
    Store(file, "one model").close()
    with pytest.raises(UserError, match=r"must be of this version of rowmac, not of another \(mod"):
        Store(file, "another model")
    broken = sqlite3.connect(file)
    broken.execute("INSERT INTO result VALUES ('{}', 'estimate', '{', NULL)")
    broken.commit()
    broken.close()
    with pytest.raises(UserError, match="store must be a file that rowmac sweep can use"):
        list(Store(file, "one model").outcomes())
    with pytest.raises(UserError, match="store must be a file that rowmac sweep can use"):
        Store(tmp_path, "model")


def test_command_line(tmp_path: Path, capsys: Capture) -> None:
    store = tmp_path / "s.sqlite"
    arguments = ["sweep", "--set", f"network={CNN}", "--set", "lanes=7,8", "-o", str(store)]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["points"], found["estimated"]) == (2, 1)
    assert list(found["errors"].values()) == [1]
    (front,) = found["fronts"]
    assert (front["network"], front["board"]) == (CNN, "arty-z7-20")
    assert [one["point"]["lanes"] for one in front["points"]] == [8]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "2 points: 1 estimated, 1 of them fit" in out
    assert "1 refused: " in out
    assert main([*arguments, "--jobs", "-1"]) == 2
    assert capsys.readouterr().err == "rowmac: --jobs must be at least 0, not -1\n"


def test_scheduler_that_is_not_there(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DaskWorkers, "TIMEOUT", 0.2)
    more = ["--set", "lanes=8", "-o", str(tmp_path / "s.sqlite")]
    for address in ("tcp://127.0.0.1:9", "nowhere at all"):
        assert main(["sweep", *more, "--scheduler", address]) == 2
        err = capsys.readouterr().err
        assert "--scheduler must be the address of a running Dask scheduler, such as tcp://" in err
        assert err.count("\n") == 1


def test_an_address_that_is_none_or_not_of_dask(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told within seconds, in one line, with nothing behind it; nothing is written."""
    more = ["sweep", "--set", "lanes=8", "-o", str(tmp_path / "s.sqlite"), "--scheduler"]
    begin = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert main([*more, "bogus"]) == 2
        assert capsys.readouterr().err.endswith("not bogus (it has no port)\n")
        monkeypatch.setattr(DaskWorkers, "TIMEOUT", 0.5)
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        assert main([*more, address]) == 2
        said = capsys.readouterr().err
    assert said.endswith(f"not {address} (what listens there is not Dask)\n")
    assert said.count("\n") == 1
    assert time.monotonic() - begin < 20
    assert list(tmp_path.iterdir()) == []


def test_reasons_that_differ_in_numbers_are_one(tmp_path: Path, capsys: Capture) -> None:
    arguments = ["sweep", "--set", "lanes=7,9,11,8", "--set", "queue_depth=2..31", "--jobs", "1"]
    more = ["--set", f"network={CNN}", "-o", str(tmp_path / "s.sqlite")]
    assert main([*arguments, *more]) == 0
    out = capsys.readouterr().out
    (line,) = re.findall(r"^  (\d+) refused: .* \(and 2 others with other numbers\)$", out, re.M)
    assert line == "90"
