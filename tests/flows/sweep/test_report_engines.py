"""What a report says of machines by a policy, and of machines around a macro."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flows.cli import main
from flows.sweep.definition import Definition
from flows.sweep.evaluate import ESTIMATE, evaluate
from flows.sweep.front import COSTS
from flows.sweep.model_mark import model_mark
from flows.sweep.point_store import Store
from flows.sweep.stored_sweep import Stored, read_store
from flows.sweep.sweep_report.chosen import command
from flows.sweep.sweep_report.csv_file import write_csv
from flows.sweep.sweep_report.page import render
from flows.sweep.sweep_report.parallel import parallel, varying
from flows.sweep.sweep_report.sweep_content import Group, groups
from models.formats.row_classes import parse_row_classes
from tests.flows.sweep.test_sweep_report import Elements

CNN = str(Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist" / "resnet_int8.onnx")
Capture = pytest.CaptureFixture[str]
MACROS = Definition(
    {
        "network": [CNN],
        "engine": ["cim:relu-macro", "cim:pim-qat:differential"],
        "adc_bits": [5, 8],
        "clock_mhz": [100, 5000],
    }
)
POLICIES = Definition(
    {"network": ["resnet-8"], "policy": ["rmsmp", "int8"], "rows": ["16"]},
    [
        {"network": "resnet-8", "policy": "rmsmp", "ratio": "50:25:25", "rows": "16"},
        {"network": "resnet-8", "rows": "fixed8:8,pot4:8"},
        {"network": CNN, "engine": "digital", "policy": "int4"},
    ],
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    path = tmp_path_factory.mktemp("sweep") / "s.sqlite"
    store = Store(path, model_mark())
    store.put(evaluate([*MACROS, *POLICIES, {"engine": "cim:relu-macro"}]))
    store.close()
    return read_store(path)


@pytest.fixture(scope="module")
def found(stored: Stored) -> list[Group]:
    return groups(stored.entries)


def axes(group: Group) -> list[str]:
    picture = ElementTree.fromstring(parallel(group))
    return [
        "_".join(text.text or "" for text in one.iter("text") if text.get("class") == "name")
        for one in picture.iter("g")
    ]


def test_macros_have_no_cost_so_they_win_nothing(found: list[Group]) -> None:
    assert [(g.network, g.macro, len(g.entries)) for g in found] == [
        (CNN, False, 1),
        (CNN, True, len(MACROS)),
        ("resnet-8", False, 4),
    ]
    digital, macros, _ = found
    assert (macros.best, macros.fitting, macros.chosen) == ([], [], None)
    assert not any(macros.fronts.values())
    assert max(macros.estimate(n)["fps"] for n in macros.shown) > digital.estimate(0)["fps"]
    assert digital.best == [digital.chosen] == [0]


def test_new_parameters_have_an_axis(found: list[Group]) -> None:
    _, macros, policies = found
    assert axes(macros) == ["engine", "clock_mhz", "adc_bits", "images/s", "conversions"]
    assert axes(policies)[:4] == ["policy", "ratio", "rows", "LUT"]


def test_page(stored: Stored, found: list[Group]) -> None:
    page = render(stored, found)
    elements = Elements(page)
    assert (elements.open, elements.wrong) == ([], [])
    assert f"{CNN} on arty-z7-20, around macros" in elements.text
    assert f"{len(MACROS)} are around a macro" in page
    sections = page.split('<section class="group"')[1:]
    for section, group in zip(sections, found, strict=True):
        own = Elements(section.partition("<h2>Refused")[0])
        # Circles have a key in the page; the pictures by cost are of digital machines only.
        assert (own.count("circle") > 0) == (not group.macro)
        assert section.count("Chosen point") == (not group.macro)
        assert section.count("Cost is not modelled") == group.macro
        several = len(group.entries) > 1
        assert section.count("dark lines are the front") == (several and not group.macro)
        said = [text for text in own.text if text.strip()]
        for name in ("conversions", "columns"):
            assert (name in said) == group.macro
        assert ("rows by policy" in said) == (not group.macro)
        ends = "Assumed: first and last layer in the same formats (--no-keep-ends) by int4."
        assert (ends in said) == (group is found[0])
        for entry in group.entries:
            assert all(str(entry.point[name]) in section for name in varying(group.entries)
                       if entry.point.get(name) is not None)  # fmt: skip
    assert "network must be a file with engine cim:relu-macro, not none" in page


def test_table_leaves_costs_empty(stored: Stored, found: list[Group], tmp_path: Path) -> None:
    write_csv(tmp_path / "points.csv", stored.entries, found)
    with (tmp_path / "points.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row, entry in zip(rows, stored.entries, strict=True):
        value = entry.values.get(ESTIMATE, {})
        around = entry.point["engine"] != "digital"
        assert row["engine"] == entry.point["engine"]
        assert row["adc_bits"] == str(entry.point.get("adc_bits", ""))
        assert row["estimate_conversions"] == str(value.get("conversions", ""))
        assert row["estimate_classes"] == value.get("classes", "")
        assert all((row[f"estimate_{cost}"] == "") == around for cost in COSTS)
        assert not around or (row["front"], row["chosen"], row["lanes"]) == ("0", "0", "")
    ratios = {(row["policy"], row["ratio"], row["estimate_classes"]) for row in rows}
    assert ("rmsmp", "65:30:5", "fixed8:1,fixed4:5,pot4:10") in ratios
    assert ("rmsmp", "50:25:25", "fixed8:4,fixed4:4,pot4:8") in ratios
    assert ("int8", "", "fixed8:16") in ratios


def test_the_command_of_a_policy_is_its_rows(found: list[Group], capsys: Capture) -> None:
    group = found[-1]
    for place, entry in enumerate(group.entries):
        words = shlex.split(command(entry))
        assert "--policy" not in words
        assert "--ratio" not in words
        assert main([*words[1:], "--json"]) == 0
        said, value = json.loads(capsys.readouterr().out), group.estimate(place)
        assert {n: said["resources"][n]["estimate"] for n in COSTS} == {n: value[n] for n in COSTS}
        assert said["network"]["cycles"] == value["cycles"]
        rows = parse_row_classes(value.get("classes", entry.point["rows"]))
        assert said["machine"]["classes"] == [f"{one.format}:{one.rows}" for one in rows]


def test_command_line(stored: Stored, tmp_path: Path, capsys: Capture) -> None:
    arguments = ["report", str(stored.path), "-o", str(tmp_path / "page.html"), "--network", CNN]
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["groups"]
    assert [(one["macro"], one["points"], one["front"]) for one in said] == [
        (False, 1, 1),
        (True, len(MACROS), 0),
    ]
    assert said[1]["chosen"] is None
    assert main(arguments) == 0
    line = f"{CNN} on arty-z7-20: {len(MACROS)} points around macros, whose cost is not modelled\n"
    assert line in capsys.readouterr().out
