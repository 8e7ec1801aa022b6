"""Where a simulation's report, log and job go, and what if they cannot."""

import errno
import json
import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main

SAMPLES = Path(__file__).parents[3] / "examples" / "fashion_mnist" / "samples.npz"
Capture = pytest.CaptureFixture[str]


def test_report_cannot_be_written(
    folder: Path, cache_home: Path, tmp_path: Path, capsys: Capture
) -> None:
    page = tmp_path / "no such folder" / "page.html"
    arguments = ["simulate", str(folder), "--inputs", str(SAMPLES), "--report", str(page)]
    assert main(arguments) == 2
    # Before anything is simulated: that is the only line.
    line = f"rowmac: cannot write {page}: No such file or directory\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("as_data", [False, True])
def test_results_outlive_a_report_that_cannot_be_written(
    folder: Path,
    cache_home: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    as_data: bool,
) -> None:
    """The disk fills while the page is written: an older page stays, tables and data are shown."""
    from flows.cli import show_simulate

    def fail(report: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    page = tmp_path / "page.html"
    page.write_text("older")
    monkeypatch.setattr(show_simulate, "render", fail)
    arguments = ["simulate", str(folder), "--inputs", str(SAMPLES), "--report", str(page)]
    assert main([*arguments, *(["--json"] if as_data else [])]) == 2
    said = capsys.readouterr()
    line = f"no space left to write {page}"
    assert said.err.endswith(f"\nrowmac: {line}\n")
    assert page.read_text() == "older"
    assert list(tmp_path.iterdir()) == [page]
    if as_data:
        facts = json.loads(said.out)
        assert (facts["error"], facts["status"], facts["report"]) == (line, 2, None)
        assert facts["images"][0]["equal"] is True
    else:
        assert "1 images, 0 with outputs that differ" in said.out


def test_the_log_of_a_failure_is_kept(
    folder: Path, cache_home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interrupt does not come in time: the error names a log that its reader finds."""
    from flows.run import simulation
    from flows.run.execute import image_run

    def hurried(*arguments: Any, **more: Any) -> Any:
        return replace(image_run(*arguments, **more), max_cycles=100)

    monkeypatch.setattr(simulation, "image_run", hurried)
    assert main(["simulate", str(folder), "--inputs", str(SAMPLES)]) == 1
    log = folder / "simulation.log"
    assert f"(seed 1, log {log}): " in capsys.readouterr().err
    assert "100 cycles" in log.read_text()
    log.unlink()


def test_no_temporary_folder(
    folder: Path, cache_home: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    assert main(["simulate", str(folder), "--inputs", str(SAMPLES)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "rowmac: cannot write to the temporary folder: No such file or directory"


def test_full_temporary_folder(
    folder: Path, cache_home: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills when the job is written."""
    write = Path.write_bytes

    def fail(path: Path, data: bytes) -> int:
        if path.name.startswith("load-"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", fail)
    assert main(["simulate", str(folder), "--inputs", str(SAMPLES)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        f"rowmac: cannot write to the temporary folder {tmp_path}: No space left on device"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_simulator_that_could_not_write_all(
    folder: Path, cache_home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk makes the simulator's files short."""
    read = Path.read_bytes

    def short(path: Path) -> bytes:
        return read(path)[:100] if path.name.startswith("dump-") else read(path)

    monkeypatch.setattr(Path, "read_bytes", short)
    assert main(["simulate", str(folder), "--inputs", str(SAMPLES)]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"rowmac: dump must be of \d+ bytes, not 100: .* may be on a full disk$", last)
