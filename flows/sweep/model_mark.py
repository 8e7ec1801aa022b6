"""Marks of the versions that results are of, so that results of different versions never mix."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flows.errors import UserError
from flows.work.source_mark import source_mark

__all__ = ["model_mark", "network_mark"]


def model_mark() -> str:
    """Mark of the project's files as they are now."""
    return source_mark()


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
