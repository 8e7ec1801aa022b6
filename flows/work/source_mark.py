"""The project's own files: what a result or a generated file depends on."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["ROOMS", "source_files", "source_mark"]

ROOT = Path(__file__).parents[2]
ROOMS = ("flows", "hdl", "models", "sim")
_SHOWN_ONLY = ("flows/cli", "flows/report", "flows/sweep/sweep_report")
"""What shows results and has no part in them."""
_KINDS = (".py", ".json", ".jsonl", ".v", ".vlt")


def source_files(root: Path = ROOT) -> Iterator[Path]:
    """Every file of the project that can have a part in a result, in a fixed order.

    All of the rooms rather than what is imported at the moment: an estimate reaches into boards,
    mapper and row formats, synthesis and simulation into all of the hardware.
    """
    apart = [root / name for name in _SHOWN_ONLY]
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in _KINDS and not any(path.is_relative_to(one) for one in apart):
                yield path


@cache
def source_mark(root: Path = ROOT) -> str:
    """Version, and a digest of the files that results depend on: some 20 ms for all of them."""
    digest = hashlib.sha256()
    for path in source_files(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return f"{importlib.metadata.version('rowmac')}-{digest.hexdigest()[:12]}"
