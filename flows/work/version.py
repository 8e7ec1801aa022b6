"""The version of the running project: a release, and the commit where the source is a checkout."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
from functools import cache
from pathlib import Path

__all__ = ["version"]

ROOT = Path(__file__).parents[2]
_DESCRIBE = ("describe", "--tags", "--match=v[0-9]*", "--always", "--abbrev=12")
_STATUS = ("status", "--porcelain", "--", "flows", "hdl", "models", "sim")
_TAG = re.compile(r"v(\d+(?:\.\d+)*)(?:-(\d+)-g([0-9a-f]+))?")
_TIMEOUT_S = 10


@cache
def version(root: Path = ROOT) -> str:
    """Release and commit, such as ``0.1.0``, ``0.1.0+g0123456789ab`` or ``0.1.0+3.g01234.dirty``.

    The number before ``g`` counts the commits since the release's tag. ``dirty`` means that files
    of the packages differ from the commit, or are not in it. Outside a git checkout it is the
    version of the installed package.
    """
    package = importlib.metadata.version("rowmac")
    described = _described(root)
    return package if described is None else _joined(package, described)


def _described(root: Path) -> str | None:
    """What git says of the checkout; None where there is no checkout, or no git."""
    # A package that is installed into an environment within some other checkout is none of it.
    if not (root / ".git").exists():
        return None
    commit = _git(root, _DESCRIBE)
    if not commit:
        return None
    return f"{commit}-dirty" if _git(root, _STATUS) else commit


def _git(root: Path, arguments: tuple[str, ...]) -> str | None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    # A commit that somebody makes at this moment is not to be disturbed.
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=_TIMEOUT_S,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _joined(package: str, described: str) -> str:
    commit = described.removesuffix("-dirty")
    tag = _TAG.fullmatch(commit)
    release, parts = package, [f"g{commit}"]
    if tag:
        release = tag[1]
        parts = [tag[2], f"g{tag[3]}"] if tag[2] else []
    if commit != described:
        parts.append("dirty")
    return release + ("+" + ".".join(parts) if parts else "")
