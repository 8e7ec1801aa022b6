"""Output folders and files that appear complete or not at all."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from flows.errors import UserError
from sim.scratch import scratch_folder

__all__ = [
    "FACTS_OF_A_FOLDER",
    "MANIFEST",
    "check_place",
    "output_file",
    "output_folder",
    "read_manifest",
    "write_manifest",
]

MANIFEST = "manifest.json"
MADE_BY = "rowmac"
MANIFEST_VERSION = 1
FACTS_OF_A_FOLDER = ("made_by", "manifest_version", "files")
"""What :func:`write_manifest` adds to the facts it is given."""


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Write the manifest that marks a folder as ours: ``facts``, and a checksum of every file."""
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }
    marked = {"made_by": MADE_BY, "manifest_version": MANIFEST_VERSION, **facts, "files": files}
    (folder / MANIFEST).write_text(json.dumps(marked, indent=2) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder that rowmac made; its ``files`` map names to checksums.

    Raises
    ------
    UserError
        if the folder is none, or of another version.
    """
    try:
        facts = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict) or facts.get("made_by") != MADE_BY:
        raise UserError(f"folder must be one that rowmac build made, not {folder}")
    if facts.get("manifest_version") != MANIFEST_VERSION:
        raise UserError(
            f"{folder / MANIFEST} must be of version {MANIFEST_VERSION}, "
            f"not {facts.get('manifest_version')}; build the folder again"
        )
    if not isinstance(facts.get("files"), dict):
        raise UserError(f"{folder / MANIFEST} must be as it was built; build the folder again")
    return facts


@contextmanager
def output_folder(final: Path) -> Iterator[Path]:
    """An empty folder to write into, which becomes ``final`` at the end of the block.

    An existing folder is replaced if it is empty or carries our manifest; what is in it and not
    among the manifest's files is its user's, and is moved over. If the block raises, Ctrl-C
    included, nothing is left behind, parents that were made included, and ``final`` is as before.
    The block must call :func:`write_manifest`.

    Raises
    ------
    UserError
        if ``final`` is something else than a folder of ours, its place cannot be written to, the
        disk is full, or a file of the user has the name of one to be written.
    """
    final = final.absolute()
    _refuse_foreign(final)
    parents = _absent_parents(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(final.parent, _scratch_prefix(final)) as scratch:
            scratch.chmod(0o777 & ~_umask())
            yield scratch
            read_manifest(scratch)
            _replace(scratch, final)
    except OSError as error:
        raise UserError(_explain(error, final)) from error
    finally:
        # Those with something in them stay: the new folder, if all went well.
        for parent in parents:
            with suppress(OSError):
                parent.rmdir()


@contextmanager
def output_file(final: Path) -> Iterator[Path]:
    """A path to write to, which becomes the file ``final`` at the end of the block.

    An existing file is replaced. If the block raises, Ctrl-C included, nothing is left behind and
    ``final`` is as before.

    Raises
    ------
    UserError
        if ``final`` is a folder, its place cannot be written to, or the disk is full.
    """
    final = final.absolute()
    _refuse_other_than_file(final)
    parents = _absent_parents(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(final.parent, _scratch_prefix(final)) as scratch:
            yield scratch / final.name
            os.replace(scratch / final.name, final)
    except OSError as error:
        raise UserError(_explain(error, final).replace("output folder", "output file")) from error
    finally:
        for parent in parents:
            with suppress(OSError):
                parent.rmdir()


def check_place(final: Path) -> None:
    """See that a file can be written to a place, whose folder is there, before hours of work.

    Raises
    ------
    UserError
        if it cannot: the place is a folder, or in none, or in one that cannot be written to.
    """
    final = final.absolute()
    _refuse_other_than_file(final)
    try:
        with scratch_folder(final.parent, _scratch_prefix(final)):
            pass
    except OSError as error:
        raise UserError(f"cannot write {final}: {error.strerror or error}") from None


def _refuse_other_than_file(final: Path) -> None:
    """A folder cannot be replaced by a file; what is no file at all, such as a device, must not."""
    try:
        if final.is_dir():
            raise UserError(f"output must be a file, not the existing folder {final}")
        if final.exists() and not final.is_file():
            raise UserError(f"output must be a file, not the device or pipe {final}")
    except OSError as error:
        raise UserError(f"cannot write {final}: {error.strerror or error}") from None


def _scratch_prefix(final: Path) -> str:
    """Of the names of folders beside an output that nobody else than rowmac makes."""
    return f".{final.name}.rowmac-"


def _absent_parents(final: Path) -> list[Path]:
    """Parents that are to be made, the innermost first."""
    return [parent for parent in final.parents if not os.path.lexists(parent)]


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
    kept = _kept(final)
    for name in kept:
        if os.path.lexists(scratch / name):
            raise UserError(f"output folder must not hold a {name} of yours: {final / name}")
    old = Path(tempfile.mkdtemp(prefix=f".{final.name}-old-", dir=final.parent))
    before = old / "old"
    moves = [(final, before), (scratch, final), *((before / name, final / name) for name in kept)]
    begun: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            begun.append((source, target))
            os.rename(source, target)
    except BaseException as error:
        _undo(begun)
        if os.path.lexists(before):
            # It cannot be moved back, or another run has put its folder there in between.
            reason = error.strerror if isinstance(error, OSError) else "interrupted"
            raise UserError(
                f"cannot put the new folder into its place {final} ({reason}); "
                f"what was there before is in {before}"
            ) from error
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def _kept(final: Path) -> list[str]:
    """Names in a folder of ours that are not ours."""
    names = sorted(path.name for path in final.iterdir())
    ours = {MANIFEST, *read_manifest(final)["files"]} if names else set()
    return [name for name in names if name not in ours]


def _undo(begun: Sequence[tuple[Path, Path]]) -> None:
    """Take moves back, the last of which may not have happened; what cannot be stays in place."""
    with suppress(OSError):
        for source, target in reversed(begun):
            if os.path.lexists(target) and not os.path.lexists(source):
                os.rename(target, source)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _explain(error: OSError, final: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left to write {final}"
    reason = error.strerror or str(error)
    return f"output folder must be in a place that can be written to, not {final} ({reason})"
