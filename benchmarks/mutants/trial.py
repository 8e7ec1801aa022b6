"""Runs tests on a copy of the source, changed or not."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutants.mutant import Mutant

__all__ = ["Copy", "Trial"]

COPIED = ("hdl", "sim", "models", "flows", "tests", "examples", "benchmarks", "pyproject.toml")
MEMORY_BYTES = 8 << 30
"""A mutant that takes more is ended: a loop that never ends may fill the machine's memory."""
NO_TESTS, USAGE = 5, 4
"""Exit statuses of pytest that say nothing about a mutant."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What tests have said: ``killed``, ``survived`` or ``timeout``; and how long it took, in s."""

    verdict: str
    seconds: float


class Copy:
    """A copy of a working tree, in which one mutant at a time is tried.

    Parameters
    ----------
    root : Path
        The working tree, which stays as it is.
    folder : Path
        For the copy.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        for name in COPIED:
            if (root / name).is_dir():
                shutil.copytree(root / name, folder / name, ignore=ignored)
            elif (root / name).exists():
                shutil.copyfile(root / name, folder / name)

    def unchanged(self, tests: Sequence[str]) -> Trial:
        """Run tests without a change, which also fills the caches that all later runs use."""
        return self._run(tests, None, write=True)

    def share(self, other: Copy) -> None:
        """Take over the caches of another copy, which has run the same tests."""
        if (other.folder / "build").exists():
            shutil.rmtree(self.folder / "build", ignore_errors=True)
            shutil.copytree(other.folder / "build", self.folder / "build", copy_function=os.link)

    def try_mutant(self, mutant: Mutant, tests: Sequence[str], limit_s: float) -> Trial:
        """Run tests on a mutant; the first failure ends it.

        Parameters
        ----------
        tests
            in the order in which they are run.
        limit_s
            wall-clock time after which it is a ``timeout``.
        """
        path = self.folder / mutant.file
        original = path.read_text(encoding="utf-8")
        kept = {*self._simulators()}
        try:
            path.write_text(mutant.apply(original), encoding="utf-8")
            self._forget(path)
            return self._run(tests, limit_s, write=False)
        finally:
            path.write_text(original, encoding="utf-8")
            self._forget(path)
            for built in {*self._simulators()} - kept:
                shutil.rmtree(built, ignore_errors=True)

    def stop(self) -> None:
        """End what runs in the copy; it has no verdict then."""
        process = self._process
        if process is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _simulators(self) -> list[Path]:
        """Simulators of mutated Verilog would fill the disk."""
        folder = self.folder / "build" / "rowmac" / "simulators"
        return [path for path in folder.iterdir() if path.is_dir()] if folder.exists() else []

    def _forget(self, path: Path) -> None:
        """Compiled code is known by size and second of its source, which may be the same."""
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            compiled.unlink()

    def _run(self, tests: Sequence[str], limit_s: float | None, *, write: bool) -> Trial:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        command += ["-p", "no:xdist", "--hypothesis-seed=0", "--tb=no", *tests]
        # What one mutant has failed on must not be tried on the next one.
        store = self.folder / "build" / "hypothesis"
        shutil.rmtree(store, ignore_errors=True)
        environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(store)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if not write:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        begin = time.monotonic()
        self._process = process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_limit_memory,
        )
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return Trial(verdict="timeout", seconds=time.monotonic() - begin)
        finally:
            self.stop()
            process.wait()
        if status in (NO_TESTS, USAGE) and not write:
            raise RuntimeError(f"pytest must find tests in {', '.join(tests)}, status {status}")
        verdict = "survived" if status == 0 else "killed"
        return Trial(verdict=verdict, seconds=time.monotonic() - begin)


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
