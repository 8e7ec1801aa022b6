"""Versions of checkouts and of installed packages."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from flows.cli import main
from flows.work.version import version

PACKAGE = importlib.metadata.version("rowmac")


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    command = ["git", "-C", str(folder), *who, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    for room in ("hdl", "flows"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "file").write_text("one")
    git(tmp_path, "add", "hdl", "flows")
    git(tmp_path, "commit", "-qm", "one")
    return tmp_path


def commit(folder: Path) -> str:
    return git(folder, "rev-parse", "--short=12", "HEAD")


def test_without_a_tag_it_is_the_packages_and_the_commit(checkout: Path) -> None:
    assert version(checkout) == f"{PACKAGE}+g{commit(checkout)}"


@pytest.mark.parametrize("name", ["hdl/file", "flows/new"], ids=["changed", "not in it"])
def test_files_that_are_not_the_commits_are_said(checkout: Path, name: str) -> None:
    (checkout / name).write_text("two")
    assert version(checkout) == f"{PACKAGE}+g{commit(checkout)}.dirty"


def test_other_files_make_no_difference(checkout: Path) -> None:
    (checkout / "notes").write_text("two")
    assert version(checkout) == f"{PACKAGE}+g{commit(checkout)}"


def test_at_a_tag_it_is_the_release(checkout: Path) -> None:
    git(checkout, "tag", "v7.1")
    assert version(checkout) == "7.1"


def test_after_a_tag_commits_are_counted(checkout: Path) -> None:
    git(checkout, "tag", "v7.1")
    (checkout / "hdl" / "file").write_text("two")
    git(checkout, "commit", "-qam", "two")
    git(checkout, "tag", "other")
    assert version(checkout) == f"7.1+1.g{commit(checkout)}"


def test_a_folder_within_a_checkout_is_none(checkout: Path) -> None:
    inner = checkout / "environment"
    inner.mkdir()
    assert version(inner) == PACKAGE


def test_git_of_a_hook_is_not_asked(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(checkout / "nowhere"))
    assert version(checkout).startswith(f"{PACKAGE}+g")


def test_without_git(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert version(checkout) == PACKAGE


def test_the_command_line_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"rowmac {version()}\n"
