"""Numbers and files that cannot be meant: one line each, at once, whatever is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.cli import main

EXAMPLES = Path(__file__).parents[3] / "examples" / "fashion_mnist"
CNN, SAMPLES = str(EXAMPLES / "resnet_int8.onnx"), str(EXAMPLES / "samples.npz")
LONG, DEEP = "9" * 5000, "[" * 5000
Capture = pytest.CaptureFixture[str]

ACCURACY = ["cim", "accuracy", CNN, "--preset", "relu-macro", "--inputs", SAMPLES]
CHARACTERISE = ["cim", "characterise", "cap-ram", "-o", "die"]
SWEEP = ["sweep", "-o", "s.sqlite", "--jobs", "1"]
DEVICE = "cannot read /dev/zero: it must be a file, not a device or pipe"

LINES = [
    (["estimate", "--rows=--"], "--rows must have a value, not --"),
    (["estimate", f"--rows={LONG}"], "--rows must be a whole number of up to 9 digits, not '999"),
    (["estimate", f"--rows=fixed8:{LONG}"], "--rows: rows of a class must be of up to 9 digits"),
    (["estimate", f"--lanes={LONG}"], "argument --lanes: must be a whole number of up to 9 digits"),
    (["estimate", "--clock=1e-300"], "argument --clock: must be a number above 0, not '1e-300'"),
    (["estimate", "--network=/dev/zero"], DEVICE),
    (["search", "--network=/dev/zero", "--board=zcu102", "--fps=9"], DEVICE),
    (["build", "/dev/zero", "--board=zcu102", "-o", "out"], DEVICE),
    ([*SWEEP, "--set=clock_mhz=inf"], "clock_mhz must be less than 1,000,000,000, not such a"),
    ([*SWEEP, "--set=clock_mhz=nan"], "clock_mhz must be more than 0, not nan"),
    ([*SWEEP, "--set=bandwidth_mb_s=1e400"], "bandwidth_mb_s must be less than 1,000,000,000, not"),
    ([*SWEEP, "--set=clock_mhz=1e-9"], "clock_mhz must be at least 1e-06, not 1e-09"),
    ([*SWEEP, "--set=lanes=1..100000000"], "lanes must have at most 100,000 values, not 100,000,"),
    ([*SWEEP, f"--set=lanes={'9' * 30}"], "lanes must be less than 1,000,000,000, not 1e+30"),
    (
        [*SWEEP, *(f"--set={name}=1..90000" for name in ("lanes", "tokens", "depth", "banks"))],
        "sweep must have at most 2,000,000 points, not 65,610,000,000,000,000,000",
    ),
    ([*SWEEP, "/dev/zero"], "/dev/zero must be a TOML file of at most 16,777,216 bytes"),
    ([*SWEEP, "deep.toml"], "deep.toml must be a TOML file of less deeply nested values"),
    ([*SWEEP, "long.toml"], "long.toml must be a TOML file: Exceeds the limit (4300 digits)"),
    ([*SWEEP, "inf.toml"], "clock_mhz must be less than 1,000,000,000, not such a large one"),
    ([*CHARACTERISE, "--samples=99999999999999"], "argument --samples: must be a whole number of"),
    ([*CHARACTERISE, "--samples=999999999"], "--samples must be at most 16,777,216, not 999,999,"),
    ([*ACCURACY, "--dies=999999999"], "--dies must be at most 10,000, not 999,999,999"),
    ([*ACCURACY, "--jobs=999999999"], "--jobs must be at most 4,096, not 999,999,999"),
    ([*ACCURACY, "--noise=nan"], "--noise must be numbers such as 0,0.5,1, not 'nan'"),
    ([*ACCURACY, "--noise=inf"], "--noise must be numbers such as 0,0.5,1, not 'inf'"),
    ([*ACCURACY, "--adc-bits=1..99999999"], "ADC bits must be 1 to 10, not 11"),
    ([*ACCURACY, "--count=-1"], "argument --count: must be a whole number of 1 or more, not '-1'"),
]


@pytest.mark.parametrize(("arguments", "line"), LINES)
def test_one_line(
    arguments: list[str],
    line: str,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deep.toml").write_text(f"[grid]\nlanes = {DEEP}")
    Path("long.toml").write_text(f"[grid]\nlanes = [{LONG}]")
    Path("inf.toml").write_text("[grid]\nclock_mhz = [inf]")
    assert main(arguments) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.startswith(f"rowmac: {line}")
    assert (out.err.count("\n"), len(out.err) < 2100) == (1, True)
    assert len(list(Path().iterdir())) == 3


def test_what_does_not_fit_the_memory(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr("flows.cli.boards.run", fail)
    assert main(["boards"]) == 2
    said = capsys.readouterr().err
    assert said == "rowmac: the task must fit into the memory of this computer\n"


def test_labels_that_would_wrap(tmp_path: Path, capsys: Capture) -> None:
    """2**64 - 1 is no label -1."""
    with np.load(SAMPLES) as content:
        x = content["x"][:3]
    inputs = tmp_path / "x.npz"
    np.savez(inputs, x=x, y=np.array([1, 2**64 - 1, 3], np.uint64))
    more = ["--inputs", str(inputs), "--store", str(tmp_path / "s.jsonl"), "--jobs", "1"]
    assert main(["cim", "accuracy", CNN, "--preset", "relu-macro", *more]) == 2
    assert capsys.readouterr().err == (
        f"rowmac: y of {inputs} must be integers below 2**63, not 18446744073709551615 of image 1\n"
    )
