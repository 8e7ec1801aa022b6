"""Output folders that appear complete or not at all."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import UserError

__all__ = ["MANIFEST", "output_folder", "read_manifest", "write_manifest"]

MANIFEST = "manifest.json"
MADE_BY = "rowmac"
MANIFEST_VERSION = 1


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Write the manifest that marks a folder as ours; ``facts`` are added to the marks."""
    marked = {"made_by": MADE_BY, "manifest_version": MANIFEST_VERSION, **facts}
    (folder / MANIFEST).write_text(json.dumps(marked, indent=2) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder that rowmac made.

    Raises
    ------
    UserError
        if the folder is none, or of another version.
    """
    try:
        facts = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        facts = None
    if not isinstance(facts, dict) or facts.get("made_by") != MADE_BY:
        raise UserError(f"folder must be one that rowmac build made, not {folder}")
    if facts.get("manifest_version") != MANIFEST_VERSION:
        raise UserError(
            f"{folder / MANIFEST} must be of version {MANIFEST_VERSION}, "
            f"not {facts.get('manifest_version')}; build the folder again"
        )
    return facts


@contextmanager
def output_folder(final: Path) -> Iterator[Path]:
    """An empty folder to write into, which becomes ``final`` at the end of the block.

    An existing folder is replaced if it is empty or carries our manifest. If the block raises,
    Ctrl-C included, nothing is left behind and ``final`` is as before. The block must call
    :func:`write_manifest`.

    Raises
    ------
    UserError
        if ``final`` is something else than a folder of ours, its place cannot be written to, or
        the disk is full.
    """
    final = final.absolute()
    _refuse_foreign(final)
    scratch: Path | None = None
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
        scratch.chmod(0o777 & ~_umask())
        yield scratch
        read_manifest(scratch)
        _replace(scratch, final)
    except OSError as error:
        raise UserError(_explain(error, final)) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _refuse_foreign(final: Path) -> None:
    try:
        if final.is_symlink() or (final.exists() and not final.is_dir()):
            raise UserError(f"output must be a folder, not the existing file {final}")
        if final.is_dir() and any(final.iterdir()):
            try:
                read_manifest(final)
            except UserError:
                raise UserError(
                    f"output folder must be new or one that rowmac made, not {final}"
                ) from None
    except OSError as error:
        raise UserError(_explain(error, final)) from error


def _replace(scratch: Path, final: Path) -> None:
    if not final.exists():
        os.rename(scratch, final)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{final.name}-old-", dir=final.parent))
    try:
        os.rename(final, old / "old")
        try:
            os.rename(scratch, final)
        except BaseException:
            os.rename(old / "old", final)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _explain(error: OSError, final: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left to write {final}"
    reason = error.strerror or str(error)
    return f"output folder must be in a place that can be written to, not {final} ({reason})"
