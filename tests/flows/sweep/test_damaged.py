"""Stores with a point that is damaged: it is named, and the others are shown all the same."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from tests.support.report_store import made_store

Capture = pytest.CaptureFixture[str]
Made = tuple[Path, str, dict[str, Any]]
DELETED = object()
FIGURES = [DELETED, None, "x", [], {}, -1, float("inf"), float("nan"), 1e300]
TEXTS = ["{}", "[]", "1", "{", "[" * 100_000, "9" * 5000, f'{{"lut": {"9" * 5000}}}']
POINTS = [
    ("policy", "nope"), ("policy", []), ("clock_mhz", "x"), ("clock_mhz", float("inf")),
    ("rows", []), ("lanes", "x"), ("lanez", 1), ("network", []), ("board", []),
    ("board", "nowhere"), ("engine", []), ("engine", "cim:relu-macro"), ("adc_bits", []),
]  # fmt: skip
KEYS = [
    ("[]", "a point must be a table, not list"),
    ("null", "a point must be a table, not NoneType"),
    ("[" * 100_000, "a point of too many brackets"),
    (f'{{"lanes":{"9" * 5000}}}', "Exceeds the limit (4300 digits) for integer string"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A store, a point of it, and that point's figures."""
    path = tmp_path_factory.mktemp("made") / "s.sqlite"
    outcomes = made_store(path)
    good = next(o for o in outcomes if "resnet-18" in o.point and o.value and o.value["fits"])
    assert good.value is not None
    return path, good.point, good.value


def _damage(made: Made, folder: Path, key: str, value: str) -> Path:
    path = folder / "s.sqlite"
    shutil.copy(made[0], path)
    with sqlite3.connect(path) as file:
        file.execute("INSERT OR REPLACE INTO result VALUES (?, 'estimate', ?, NULL)", (key, value))
    file.close()
    return path


def _report(path: Path, capsys: Capture) -> dict[str, Any]:
    assert main(["report", str(path), "-o", f"{path}.html", "--csv", f"{path}.csv", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def _sweep(path: Path, key: str) -> int:
    sets = [f"--set={name}={value}" for name, value in json.loads(key).items()]
    return main(["sweep", *sets, "-o", str(path), "--jobs", "1", "--json"])


@pytest.mark.parametrize("bad", FIGURES, ids=lambda bad: "deleted" if bad is DELETED else str(bad))
def test_figures(made: Made, tmp_path: Path, capsys: Capture, bad: object) -> None:
    """One figure after the other: of each, the point is left out with a reason."""
    _, key, figures = made
    whole = len(_report(_damage(made, tmp_path, key, json.dumps(figures)), capsys)["errors"])
    for name in ("lut", "bram36", "fps", "fits", "fullest", "extrapolated"):
        if name == "fullest" and bad == "x" or name == "extrapolated" and bad in ([], DELETED):
            continue  # as it may be
        changed = {**figures, name: bad}
        if bad is DELETED:
            del changed[name]
        path = _damage(made, tmp_path, key, json.dumps(changed))
        found = _report(path, capsys)
        assert len(found["errors"]) == whole + 1
        (reason,) = [e["reason"] for e in found["errors"] if "figures in the store" in e["reason"]]
        assert name in reason
        assert sum(group["points"] for group in found["groups"]) > 10
        assert _sweep(path, key) == 0
        assert json.loads(capsys.readouterr().out)["errors"] == {reason: 1}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:12])
def test_what_is_no_table(made: Made, tmp_path: Path, capsys: Capture, text: str) -> None:
    path = _damage(made, tmp_path, made[1], text)
    assert any("figures in the store" in e["reason"] for e in _report(path, capsys)["errors"])
    status = _sweep(path, made[1])
    said = capsys.readouterr().err.splitlines()[-1]
    assert status == 0 or said.startswith("rowmac: store must be a file that rowmac sweep can use")


@pytest.mark.parametrize(("name", "value"), POINTS)
def test_points(made: Made, tmp_path: Path, capsys: Capture, name: str, value: object) -> None:
    def refused(found: dict[str, Any]) -> int:
        return sum(e["count"] for e in found["errors"] if e["stage"] == "estimate")

    key = json.dumps({**json.loads(made[1]), name: value})
    whole = refused(_report(made[0], capsys))
    found = _report(_damage(made, tmp_path, key, json.dumps(made[2])), capsys)
    assert sum(group["points"] for group in found["groups"]) > 10
    assert refused(found) == whole + 1


@pytest.mark.parametrize(("key", "text"), KEYS, ids=lambda text: text[:12])
def test_keys(made: Made, tmp_path: Path, capsys: Capture, key: str, text: str) -> None:
    path = _damage(made, tmp_path, key, "{}")
    assert main(["report", str(path), "-o", f"{path}.html"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"rowmac: store must be a file that rowmac sweep made, not {path} (")
    assert text in said
