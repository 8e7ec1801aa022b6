"""Folders to work in that do not outlive their process, even where that is killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["scratch_folder"]


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """An empty folder in ``parent`` that is gone after the block, or has been moved by it.

    A process that is killed leaves its folder; the next one with the same parent and prefix removes
    it. Whoever works in a folder holds its lock, which the kernel takes away from the dead.

    Parameters
    ----------
    prefix
        of the name; one that nobody else gives to a folder, as those without a lock are removed.

    Raises
    ------
    OSError
        if it cannot be made.
    """
    for path in parent.glob(f"{_literal(prefix)}*"):
        _remove_abandoned(path)
    folder, lock = _locked(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _literal(prefix: str) -> str:
    """As a pattern that stands for itself."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in prefix)


def _locked(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = os.open(folder, os.O_RDONLY)
        # Where a file system has no locks, folders of the dead stay, as nobody gets one there.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Before it was locked, another process may have taken it for one that was left.
        if folder.exists():
            return folder, lock
        os.close(lock)


def _remove_abandoned(path: Path) -> None:
    """Remove a folder of this user's that no process holds."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass  # somebody works in it
    finally:
        os.close(lock)
