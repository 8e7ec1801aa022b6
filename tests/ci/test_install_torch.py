"""Which build of torch is installed, and when none: with another program in the place of pip."""

import importlib.util
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "install_torch.py"
CPU = ["torch", "filelock", "Jinja2"]
GPU = ["torch", "filelock", "nvidia-cudnn-cu13", "triton"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install_torch", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Pip:
    """An index with some versions, and the packages they need."""

    def __init__(self, index: dict[str, Sequence[str]]) -> None:
        self.index = index
        self.installed: list[str] = []

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        wanted = arguments[-1]
        if wanted not in self.index:
            return subprocess.CompletedProcess([], 1, "", f"looked\nno {wanted}\n")
        if "--dry-run" not in arguments:
            self.installed.append(wanted)
        names = [{"metadata": {"name": name}} for name in self.index[wanted]]
        return subprocess.CompletedProcess([], 0, json.dumps({"install": names}), "")


@pytest.mark.parametrize(
    ("index", "installed", "line"),
    [
        ({"torch==2.1+cpu": CPU, "torch==2.1": GPU}, ["torch==2.1+cpu"], ""),
        ({"torch==2.1": CPU}, ["torch==2.1"], ""),
        (
            {"torch==2.1": GPU},
            [],
            """no CPU build of torch 2.1 found: the plain one needs nvidia-cudnn-cu13, triton; \
the tests that export networks will skip
""",
        ),
        (
            {},
            [],
            "no torch 2.1 found: no torch==2.1; the tests that export networks will skip\n",
        ),
    ],
    ids=["cpu", "plain-is-cpu", "plain-is-gpu", "none"],
)
def test_what_is_installed(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    index: dict[str, Sequence[str]],
    installed: list[str],
    line: str,
) -> None:
    pip = Pip(index)
    monkeypatch.setattr(script, "pip_install", pip)
    assert script.main(["2.1"]) == int(not installed)
    assert pip.installed == installed
    assert capsys.readouterr().err == line


def test_make_tries_again_after_a_failure(tmp_path: Path) -> None:
    """The stamp is touched only after success; without it the other tests still run."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    (tmp_path / ".stamp-dev").touch()
    stamp = tmp_path / ".stamp-torch"
    for status in (1, 0):
        python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexit {status}\n')
        python.chmod(0o755)
        command = ["make", f"VENV={tmp_path}", "TORCH=2.1", str(stamp)]
        subprocess.run(command, cwd=SCRIPT.parents[1], capture_output=True, check=True)
        assert stamp.exists() == (status == 0)
    assert (tmp_path / "calls").read_text() == ".ci/install_torch.py 2.1\n" * 2
