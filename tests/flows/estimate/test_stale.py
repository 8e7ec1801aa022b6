"""A calibration that was measured on other hardware is said to be stale, not trusted or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.cli import main
from flows.estimate import stale
from flows.estimate.stale import PLACES, code_mark, record, stale_notes

SOURCE = """
from amaranth.hdl import Signal

def part(width: int) -> Signal:
    \"\"\"A register.\"\"\"
    bits: int = width + 1  # one more
    return Signal(bits)
"""
SAME = """
import amaranth.hdl
from amaranth.hdl import Module, Signal

def part(width):
    \"\"\"A register of so many bits.

    Parameters
    ----------
    width : int
    \"\"\"
    # Another comment.
    bits: "int" = width + 1
    return Signal(bits)
"""


def tree(folder: Path, source: str, name: str = "part.py") -> Path:
    for places in PLACES.values():
        for place in places:
            (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / "hdl" / name).write_text(source)
    return folder


def test_what_does_not_run_leaves_the_mark(tmp_path: Path) -> None:
    """Comments, docstrings, types, imports and the file's name; a number does not."""
    first = code_mark("cycles", tree(tmp_path / "a", SOURCE))
    assert code_mark("cycles", tree(tmp_path / "b", SAME, "moved.py")) == first
    other = SOURCE.replace("width + 1", "width + 2")
    assert code_mark("cycles", tree(tmp_path / "c", other)) != first


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of marks in the place of the product's, as if all was calibrated just now."""
    file = tmp_path / "measured_on.json"
    for kind in PLACES:
        record(kind, file=file)
    monkeypatch.setattr(stale, "MEASURED_ON", file)
    assert stale_notes("cycles") == stale_notes("resources") == []
    return file


def make_stale(marks: Path) -> tuple[str, str]:
    """Let the calibrations be of other hardware; returns what is to be said of each."""
    marks.write_text(json.dumps(dict.fromkeys(PLACES, "0" * 16)))
    (cycles,), (resources,) = stale_notes("cycles"), stale_notes("resources")
    return cycles, resources


def test_a_stale_calibration_is_told_by_estimate(
    marks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cycles, resources = make_stale(marks)
    arguments = ["estimate", "--network", "resnet-8"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for kind in PLACES:
        assert f"the calibration of {kind} is stale: the hardware has changed since" in text
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert cycles in found["network"]["assumptions"]
    assert resources in found["resources"]["notes"]


def test_a_stale_calibration_is_told_by_search(
    marks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    goal = ["--network", "resnet-8", "--board", "arty-z7-20", "--fps", "10", "--top", "1"]
    for stale_now in (False, True):
        notes = set(make_stale(marks) if stale_now else ())
        assert main(["search", *goal, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        told = {*found["assumptions"], *found["machines"][0]["notes"]}
        assert {note for note in told if "calibration" in note} == notes


def test_a_stale_calibration_is_told_by_sweep_and_report(
    marks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = tmp_path / "sweep.toml"
    points.write_text('[grid]\nboard = ["arty-z7-20"]\nnetwork = ["resnet-8"]\nlanes = [4, 8]\n')
    store, page = tmp_path / "sweep.sqlite", tmp_path / "page.html"
    for stale_now in (False, True):
        notes = set(make_stale(marks) if stale_now else ())
        assert main(["sweep", str(points), "-o", str(store), "--jobs", "1", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)["assumptions"]
        assert {note for note in told if "calibration" in note} == notes
        assert main(["report", str(store), "-o", str(page)]) == 0
        capsys.readouterr()
        assert [note in page.read_text() for note in notes] == [True] * len(notes)
        assert ("is stale" in page.read_text()) is stale_now
