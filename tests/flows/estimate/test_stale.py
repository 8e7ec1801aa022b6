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


def test_a_stale_calibration_is_told_by_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "measured_on.json"
    for kind in PLACES:
        record(kind, file=file)
    monkeypatch.setattr(stale, "MEASURED_ON", file)
    assert stale_notes("cycles") == stale_notes("resources") == []
    file.write_text(json.dumps(dict.fromkeys(PLACES, "0" * 16)))
    arguments = ["estimate", "--network", "resnet-8"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for kind in PLACES:
        assert f"the calibration of {kind} is stale: the hardware has changed since" in text
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert stale_notes("cycles")[0] in found["network"]["assumptions"]
    assert stale_notes("resources")[0] in found["resources"]["notes"]
