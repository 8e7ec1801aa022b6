"""Outputs beside other runs, living and killed, and in places of somebody else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.errors import UserError
from flows.work.atomic import output_file
from tests.flows.work.test_atomic import contents, make


@pytest.mark.parametrize("final", ["out", "out.onnx"])
def test_what_a_killed_run_leaves_is_cleared_by_the_next(tmp_path: Path, final: str) -> None:
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom flows.work import atomic\n"
        "with getattr(atomic, sys.argv[1])(Path(sys.argv[2])) as scratch:\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    kind = "output_file" if "." in final else "output_folder"
    command = [sys.executable, "-c", program, kind, str(tmp_path / final)]
    assert subprocess.run(command, check=False).returncode == -9
    assert len(contents(tmp_path)) == 1
    (tmp_path / f".{final}-mine").mkdir()
    if kind == "output_folder":
        make(tmp_path / final)
    else:
        with output_file(tmp_path / final) as scratch:
            scratch.write_text("new")
    assert contents(tmp_path) == sorted([f".{final}-mine", final])


def test_another_run_puts_its_folder_there_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there before both is told of: it may hold hours of somebody's work."""
    final = tmp_path / "out"
    make(final, "before")
    (final / "mine").write_text("mine")
    rename = os.rename

    def race(source: Path, target: Path) -> None:
        rename(source, target)
        if Path(source) == final:
            monkeypatch.undo()
            make(final, "other")

    monkeypatch.setattr(os, "rename", race)
    with pytest.raises(UserError) as error:
        make(final, "after")
    (old,) = tmp_path.glob(".out-old-*")
    assert str(error.value) == (
        f"cannot put the new folder into its place {final} (Directory not empty); "
        f"what was there before is in {old / 'old'}"
    )
    assert contents(old / "old") == ["file", "manifest.json", "mine"]
    assert (final / "file").read_text() == "other"


def test_a_device_is_no_output(tmp_path: Path) -> None:
    """Root could replace it by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = f"output must be a file, not the device or pipe {pipe}"
    with pytest.raises(UserError, match=text), output_file(pipe):
        pass
    assert pipe.is_fifo()
