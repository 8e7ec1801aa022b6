"""``rowmac cim``: what it prints and writes, that it continues, and one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.cim import die_accuracy, pieces
from flows.cim.accuracy_store import Store
from flows.cim.macro_network import MacroNetwork, prepare
from flows.cli import main
from flows.errors import UserError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_known_counts")]

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist"
NETWORK = str(EXAMPLES / "resnet_int8.onnx")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("cim") / "x.npz"
    with np.load(EXAMPLES / "samples.npz") as content:
        np.savez(path, x=content["x"][:6], y=content["y"][:6].astype(np.int64))
    return str(path)


def _accuracy(inputs: str, folder: Path, *more: str) -> int:
    return main(
        ["cim", "accuracy", NETWORK, "--preset", "relu-macro", "--inputs", inputs,
         "--store", str(folder / "store.jsonl"), "--jobs", "1", *more]
    )  # fmt: skip


def test_accuracy_and_its_continuation(
    inputs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(die_accuracy, "CHUNK", 2)
    # Dies uncalibrated: what is kept and done again is the same, in a sixth of the time.
    rule = ("--rule", "calibrated", "--no-calibration")
    more = ("--adc-bits", "8", *rule, "--dies", "2", "--count", "3", "--json")
    plot = ("--plot", str(tmp_path / "a.png"))
    assert _accuracy(inputs, tmp_path, *more, *plot) == 0
    first = json.loads(capsys.readouterr().out)
    assert [(e["bits"], e["rule"]) for e in first["results"]] == [(8, "calibrated")]
    assert first["results"][0]["dies"].keys() == {"0", "1"}
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    # Cut off in the middle of a line: only what it held is done again.
    store = tmp_path / "store.jsonl"
    text = store.read_text()
    store.write_text(text[: len(text) - 20])
    calls: list[int] = []
    pieces._network.cache_clear()

    def counted(**given: Any) -> MacroNetwork:
        calls.append(given["die"])
        return prepare(**given)

    monkeypatch.setattr(pieces, "prepare", counted)
    assert _accuracy(inputs, tmp_path, *more) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert calls == [1]
    # All again, by two processes.
    store.unlink()
    assert _accuracy(inputs, tmp_path, *more, "--jobs", "2") == 0
    assert json.loads(capsys.readouterr().out) == first


def test_accuracy_prints_a_table(
    inputs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _accuracy(inputs, tmp_path, "--adc-bits", "8", "--count", "2", "--no-noise") == 0
    out = capsys.readouterr().out
    assert "ADC bits" in out
    assert "2 images; exact products:" in out


def test_accuracy_by_noise(inputs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without noise as with none of it; much of it leaves nothing of the network."""
    more = ("--adc-bits", "8", "--rule", "calibrated", "--count", "3", "--json")
    plot = ("--plot", str(tmp_path / "a.png"))
    assert _accuracy(inputs, tmp_path, *more, *plot, "--noise", "0,1,1000") == 0
    by_noise = {e["noise"]: e["mean"] for e in json.loads(capsys.readouterr().out)["results"]}
    assert list(by_noise) == [0, 1, 1000]
    results = {}
    for name in ((), ("--no-noise",)):
        assert _accuracy(inputs, tmp_path, *more, *name) == 0
        results[name] = json.loads(capsys.readouterr().out)["results"][0]["mean"]
    assert by_noise[1] == results[()]
    assert by_noise[0] == results["--no-noise",] == 100
    assert by_noise[1000] < 70


def test_characterise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = main(
        ["cim", "characterise", "cap-ram", "--die", "7", "--samples", "5000",
         "-o", str(tmp_path / "die"), "--json"]
    )  # fmt: skip
    assert done == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["residual_after_lsb"] < 2 < facts["residual_before_lsb"]
    with np.load(tmp_path / "die" / "die.npz") as arrays:
        assert arrays["inl"].shape == (128, 127)
        assert arrays["after"].shape == (5000,)
    assert json.loads((tmp_path / "die" / "die.json").read_text())["title"] == "cap-ram, die 7"
    assert (tmp_path / "die" / "die.png").exists()


def test_layers(inputs: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = main(
        ["cim", "layers", NETWORK, "--preset", "relu-macro", "--inputs", inputs, "--count", "1"]
    )
    assert done == 0
    assert "decisions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--preset", "isaac"], "preset must be one of cap-ram, "),
        (["--adc-bits", "0..3"], "ADC bits must be 1 to 10, not 0"),
        (["--adc-bits", "9..11"], "ADC bits must be 1 to 10, not 11"),
        (["--adc-bits", "x"], "--adc-bits must be a number or a range such as 3..8, not 'x'"),
        (["--group", "577"], "group must be at most the array's 576 units deep, not 577"),
        (["--dac-bits", "9"], "DAC bits must be 1 to 8, not 9"),
        (["--rule", "best"], "--rule must be one of full, unit, calibrated, snr, not 'best'"),
        (["--noise=-1"], "noise must be at least 0 times the preset's, not -1"),
        (["--noise", "much"], "--noise must be numbers such as 0,0.5,1, not 'much'"),
        (
            ["--noise", "1", "--no-noise"],
            "--noise must not be used with --no-noise, which is --noise 0",
        ),
        (["--jobs", "-1"], "--jobs must be at least 0, not -1"),
        (["--dies", "0"], "--dies must be at least 1, not 0"),
        (["--count", "99"], "count must be at most 6"),
    ],
)
def test_accuracy_refuses(
    inputs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], text: str
) -> None:
    extra = ["--rule", "calibrated", "--count", "1", *more]
    assert _accuracy(inputs, tmp_path, *extra) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"rowmac: {text}")


def test_characterise_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, text in (
        (["--die", "-1"], "--die must be 0 to 2**31 - 1, not -1"),
        (["--samples", "0"], "--samples must be at least 1, not 0"),
        (["--adc-bits", "12"], "ADC bits must be 1 to 10, not 12"),
    ):
        assert main(["cim", "characterise", "cap-ram", "-o", str(tmp_path), *more]) == 2
        assert capsys.readouterr().err.strip() == f"rowmac: {text}"


def test_store_refuses_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("not results\n{}\n\n")
    with pytest.raises(UserError, match="store must hold results of rowmac, not "):
        Store(path)
    with pytest.raises(UserError, match="store must be a file that can be used, not "):
        Store(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "my only copy of a poem",
        "my only copy of a poem\n",
        "one\ntwo\nthree",
        '{"key": [], "value": 1}\n',
        '{"key": {"a": 1}, "value": 1}\n{"keys": 3}\n',
    ],
)
def test_a_file_of_somebody_else_is_not_written_to(
    inputs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    store = tmp_path / "store.jsonl"
    store.write_text(text)
    assert _accuracy(inputs, tmp_path, "--adc-bits", "8", "--count", "1") == 2
    assert capsys.readouterr().err == f"rowmac: store must hold results of rowmac, not {store}\n"
    assert store.read_text() == text


def test_a_line_that_was_cut_off_does_not_spoil_the_store(tmp_path: Path) -> None:
    """Nor does it in a third run, when other lines are behind it."""
    path = tmp_path / "store.jsonl"
    Store(path).put({"image": 1}, 7)
    path.write_text(path.read_text() + '{"key": {"ima')
    before = path.read_text()
    store = Store(path)
    assert path.read_text() == before
    store.put({"image": 2}, 8)
    again = Store(path)
    assert [again.get({"image": n}) for n in (1, 2, 3)] == [7, 8, None]


def test_accuracy_leaves_nothing_where_it_is_run(
    inputs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = ["cim", "accuracy", NETWORK, "--preset", "relu-macro", "--inputs", inputs]
    more = ["--jobs", "1", "--adc-bits", "8", "--count", "1", "--rule", "full"]
    assert main([*arguments, *more]) == 0
    assert list((tmp_path / "here").iterdir()) == []
    (kept,) = (tmp_path / "cache" / "rowmac" / "cim").iterdir()
    assert Store(kept)._known


def test_results_outlive_a_picture_that_cannot_be_written(
    inputs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another kind of picture is refused before anything is computed."""
    (tmp_path / "file").write_text("")
    more = ("--adc-bits", "7..8", "--count", "1", "--rule", "full", "--json", "--plot")
    assert _accuracy(inputs, tmp_path, *more, str(tmp_path / "a.txt")) == 2
    line = f"--plot must be a .png, .pdf or .svg file, not {tmp_path / 'a.txt'}"
    assert capsys.readouterr().err == f"rowmac: {line}\n"
    assert _accuracy(inputs, tmp_path, *more, str(tmp_path / "file" / "a.png")) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["error"].startswith("output file must be in a place that can be written to")
    assert [(e["bits"], e["rule"]) for e in said["results"]] == [(7, "full"), (8, "full")]
    assert (said["status"], said["images"]) == (2, 1)
