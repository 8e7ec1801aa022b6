"""``--no-skips``: what continuous integration must not pass over."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

def test_passes():
    pass

def test_skips():
    pytest.skip("no such data")

@pytest.mark.skipif(True, reason="root may write anywhere")
def test_for_another_user():
    pass

@pytest.mark.xfail(strict=True)
def test_known():
    assert False
"""
MODULE = 'import pytest\npytest.importorskip("no_such_module", reason="needs no_such_module")\n'


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "/dev/null"]
    return subprocess.run(
        [*command, "--rootdir", str(folder), "-p", "no:cacheprovider", *arguments, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "workers"])
def test_a_skip_fails(tmp_path: Path, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    plain = run(tmp_path, *workers)
    assert plain.returncode == 0
    assert "1 passed, 2 skipped, 1 xfailed" in plain.stdout
    strict = run(tmp_path, "--no-skips", *workers)
    assert strict.returncode == 1
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed" in strict.stdout
    assert "skipped, which --no-skips forbids: no such data" in strict.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "workers"])
def test_a_module_that_skips_fails(tmp_path: Path, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_module.py").write_text(MODULE)
    (tmp_path / "test_some.py").write_text("def test_passes():\n    pass\n")
    assert run(tmp_path, *workers).returncode == 0
    strict = run(tmp_path, "--no-skips", *workers)
    assert strict.returncode != 0
    assert "skipped, which --no-skips forbids: needs no_such_module" in strict.stdout


def test_continuous_integration_uses_it() -> None:
    assert "PYTEST_ARGS=--no-skips" in (ROOT / ".ci" / "run").read_text()
