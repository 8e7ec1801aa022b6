"""The command as a user runs it, on a real network."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.cli import main
from flows.run.waits import Cause

EXAMPLES = Path(__file__).parents[3] / "examples" / "fashion_mnist"
SAMPLES = EXAMPLES / "samples.npz"
Capture = pytest.CaptureFixture[str]


def test_text(folder: Path, cache_home: Path, capsys: Capture) -> None:
    assert main(["profile", str(folder), "--inputs", str(SAMPLES)]) == 0
    said = capsys.readouterr().out
    first = re.search(r"^node_Conv_\d+ +Convolution +([\d,]+) +[\d,]+ +[\d,]+ ", said, re.M)
    assert first is not None
    assert "Waits: cycles from start to stop in which the unit did not work" in said
    assert re.search(r"^\(all\) .* 100\.0 % ", said, re.M)
    assert re.search(r"^[\d,]+ bytes read, [\d,]+ of them descriptors; [\d,]+ written; outputs eq",
                     said, re.M)  # fmt: skip
    assert "trace" not in said


def test_json_and_trace(folder: Path, cache_home: Path, capsys: Capture, tmp_path: Path) -> None:
    page = tmp_path / "trace.json"
    arguments = ["profile", str(folder), "--inputs", str(SAMPLES), "--json", "--seed", "3"]
    assert main([*arguments, "--trace", str(page)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["equal"] is True
    assert facts["seed"] == 3
    assert facts["trace"] == str(page)
    layers = facts["layers"]
    assert [layers[0]["name"], layers[-1]["name"]] == ["(input)", "(output)"]
    assert sum(one["added"] for one in layers) + facts["cycles_of_no_layer"] == facts["cycles"]
    for one in layers:
        assert list(one["waits"]) == [cause.value for cause in Cause]
        assert one["work"] + sum(one["waits"].values()) == one["stop"] - one["start"]
        assert one["share"] == one["added"] / facts["cycles"]
    for kind in ("weights", "parameters", "tensors", "written"):
        assert sum(one["bytes"][kind] for one in layers) == facts["bytes"][kind]
    assert sum(one["macs"] for one in layers) == facts["macs"]
    events = json.loads(page.read_text())["traceEvents"]
    assert {one["name"] for one in events if one["ph"] == "X"} == {one["name"] for one in layers}


def test_a_log_without_room(folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    image = SimpleNamespace(events_lost=1_234)
    monkeypatch.setattr(
        "flows.cli.show_profile.simulate", lambda *_, **__: SimpleNamespace(images=(image,))
    )
    assert main(["profile", str(folder), "--inputs", str(SAMPLES)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    text = "the log of what the units did must hold all events of the run, not lack 1,234 of them"
    assert text in said.err


def test_a_trace_that_cannot_be_written(folder: Path, capsys: Capture, tmp_path: Path) -> None:
    """Found out before anything is simulated."""
    place = tmp_path / "file"
    place.write_text("")
    trace = place / "trace.json"
    arguments = ["profile", str(folder), "--inputs", str(SAMPLES), "--trace", str(trace)]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "simulating" not in said.err
