"""Folders that are made once and kept: complete or not there at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sim.scratch import scratch_folder

__all__ = ["alone", "keep"]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Within, no other process is in a block for the same folder (which need not exist)."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(source: Path, names: Sequence[str], final: Path) -> None:
    """Copy files of a folder into a new one that appears at once; one that is there stays."""
    if final.exists():
        return
    try:
        with scratch_folder(final.parent, "copying-") as staging:
            for name in names:
                shutil.copy2(source / name, staging / name)
            staging.chmod(0o755)
            os.rename(staging, final)
    except OSError:
        if not final.exists():
            raise
