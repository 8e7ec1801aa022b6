"""What the results of a sweep depend on, as one short text: results of another one never mix."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from flows.errors import UserError

__all__ = ["model_files", "model_mark", "network_mark"]

ROOT = Path(__file__).parents[2]
ROOMS = ("flows", "hdl", "models", "sim")
SHOWN_ONLY = ("flows/cli", "flows/report", "flows/sweep/report")
"""What shows results and has no part in them."""
KINDS = (".py", ".json", ".jsonl", ".v", ".vlt")


def model_files(root: Path = ROOT) -> Iterator[Path]:
    """Every file of the project that can have a part in a result, in a fixed order.

    All of the rooms rather than what is imported at the moment: an estimate reaches into boards,
    mapper and row formats, synthesis and simulation into all of the hardware.
    """
    apart = [root / name for name in SHOWN_ONLY]
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in KINDS and not any(path.is_relative_to(one) for one in apart):
                yield path


@cache
def model_mark(root: Path = ROOT) -> str:
    """Version, and a digest of the project's files that results depend on."""
    digest = hashlib.sha256()
    for path in model_files(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return f"{importlib.metadata.version('rowmac')}-{digest.hexdigest()[:12]}"


def network_mark(name: str) -> str | None:
    """Digest of a network's file; None for a named workload, or where there is no such file.

    Raises
    ------
    UserError
        If the file cannot be read.
    """
    path = Path(name)
    if not name.endswith(".onnx") or not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
