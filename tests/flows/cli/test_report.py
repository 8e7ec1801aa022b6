"""``rowmac report`` on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from flows.cli import main
from tests.support.report_store import made_store

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweep") / "s.sqlite"
    made_store(path)
    return path


def test_page_table_and_summary(store: Path, tmp_path: Path, capsys: Capture) -> None:
    page, table = tmp_path / "new" / "r.html", tmp_path / "points.csv"
    assert main(["report", str(store), "-o", str(page), "--csv", str(table)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sum("on the Pareto front" in line for line in said) == 4
    assert sum("images a second" in line for line in said) == 3
    assert said[-2:] == [f"page: {page}", f"table: {table}"]


def test_one_network_as_json(store: Path, tmp_path: Path, capsys: Capture) -> None:
    page, table = tmp_path / "r.html", tmp_path / "points.csv"
    words = ["--network", "resnet-18", "--choose", "30", "--json"]
    assert main(["report", str(store), "-o", str(page), "--csv", str(table), *words]) == 0
    result = json.loads(capsys.readouterr().out)
    (group,) = result["groups"]
    assert (group["network"], group["board"]) == ("resnet-18", "zcu102")
    assert group["chosen"]["estimate"]["fps"] >= 30
    assert group["chosen"]["point"]["network"] == "resnet-18"
    assert "deit-tiny" not in page.read_text(encoding="utf-8")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == result["points"]
    assert {row["network"] for row in rows} == {"resnet-18"}
    refused = [row for row in rows if row["estimate_error"]]
    at_fault = [error for error in result["errors"] if error["stage"] == "estimate"]
    assert len(refused) == sum(error["count"] for error in at_fault) > 0


def test_an_unreachable_target_is_no_error(store: Path, tmp_path: Path, capsys: Capture) -> None:
    page = tmp_path / "r.html"
    assert main(["report", str(store), "-o", str(page), "--choose", "1e6"]) == 0
    said = capsys.readouterr().out
    assert said.count("none meets the rule: fits the device, reaches 1e+06 images") == 3


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["{there}/none.sqlite", "-o", "{here}/r.html"],
            "store must be a file that rowmac sweep made, not {there}/none.sqlite (no such file)",
        ),
        (
            ["{there}/s.sqlite", "-o", "{here}/r.html", "--network", "<b>"],
            """network must be one of the store's (<b onload="x">&</b>.onnx, deit-tiny, \
resnet-18), not '<b>'""",
        ),
        (
            ["{there}/s.sqlite", "-o", "{there}/../{name}/s.sqlite"],
            "-o/--output must be another file than the store, not {there}/../{name}/s.sqlite",
        ),
        (
            ["{there}/s.sqlite", "-o", "{here}/r.html", "--csv", "{there}/s.sqlite"],
            "--csv must be another file than the store, not {there}/s.sqlite",
        ),
        (
            ["{there}/s.sqlite", "-o", "{here}/r.html", "--csv", "{here}/r.html"],
            "--csv must be another file than the page, not {here}/r.html",
        ),
        (
            ["{there}/s.sqlite", "-o", "{here}/r.html", "--csv", "{here}"],
            "output must be a file, not the existing folder {here}",
        ),
        (
            ["{there}/s.sqlite", "-o", "{here}/r.html", "--choose", "0"],
            """argument --choose: must be a number above 0, not '0' \
(see rowmac report --help)""",
        ),
        (
            ["{there}/s.sqlite"],
            """the following arguments are required: -o/--output \
(see rowmac report --help)""",
        ),
    ],
)
def test_what_is_refused_leaves_nothing(
    words: list[str], line: str, store: Path, tmp_path: Path, capsys: Capture
) -> None:
    names = {"here": tmp_path, "there": store.parent, "name": store.parent.name}
    before = store.read_bytes()
    assert main(["report", *(word.format(**names) for word in words)]) == 2
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == f"rowmac: {line.format(**names)}"
    assert said.out == ""
    assert store.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_report_leaves_the_former_page(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, table = tmp_path / "r.html", tmp_path / "points.csv"
    page.write_text("former")

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.cli.show_report.write_csv", stop)
    assert main(["report", str(store), "-o", str(page), "--csv", str(table)]) == 130
    assert page.read_text() == "former"
    assert list(tmp_path.iterdir()) == [page]
