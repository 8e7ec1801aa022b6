"""Installs PyTorch's CPU build beside the interpreter that runs this; else says why not, and fails.

``python .ci/install_torch.py 2.13.0``. The build with ``+cpu`` in its version is tried first. Not
every package index has it; the plain version is taken only where it is the CPU build too (on Linux
it usually brings gigabytes of GPU libraries), which is asked before anything is installed.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

GPU_PACKAGES = ("nvidia", "cuda", "triton", "pytorch-triton", "rocm")
"""How the names of packages begin that only the other builds need."""


def pip_install(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``pip install``."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def gpu_packages(report: Mapping[str, Any]) -> list[str]:
    """Names of the packages in a report of pip that are for GPUs."""
    names = sorted(item["metadata"]["name"].lower() for item in report["install"])
    return [name for name in names if name.startswith(GPU_PACKAGES)]


def install(version: str) -> str | None:
    """Install; gives None, or why it was not done."""
    if pip_install(f"torch=={version}+cpu").returncode == 0:
        return None
    asked = pip_install(
        "--dry-run", "--ignore-installed", "--report", "-", "--only-binary", ":all:",
        f"torch=={version}",
    )  # fmt: skip
    if asked.returncode:
        return f"no torch {version} found: {_last_line(asked.stderr)}"
    if found := gpu_packages(json.loads(asked.stdout)):
        return f"no CPU build of torch {version} found: the plain one needs {', '.join(found)}"
    done = pip_install("--only-binary", ":all:", f"torch=={version}")
    return f"torch {version}: {_last_line(done.stderr)}" if done.returncode else None


def main(arguments: Sequence[str]) -> int:
    """Exit status 0 if torch is there."""
    (version,) = arguments
    problem = install(version)
    if problem:
        print(f"{problem}; the tests that export networks will skip", file=sys.stderr)
    return int(problem is not None)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["pip failed"])[-1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
