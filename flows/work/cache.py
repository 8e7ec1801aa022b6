"""The user's cache folder, where simulators, synthesised parts and points are kept between runs."""

import os
from contextlib import suppress
from pathlib import Path

from flows.errors import UserError

__all__ = ["cache_folder", "keep_newest", "made_folder", "used"]


def cache_folder(what: str) -> Path:
    """The folder of this project in the user's cache; not made.

    A relative ``XDG_CACHE_HOME`` is ignored, as the XDG specification has it: what it names would
    be another folder wherever the command is run.

    Parameters
    ----------
    what : str
        What is to be kept there, for the error.

    Raises
    ------
    UserError
        If there is none.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        try:
            base = Path.home() / ".cache"
        except RuntimeError:
            raise UserError(
                f"{what} need a folder to be kept in: set XDG_CACHE_HOME or HOME"
            ) from None
    return base / "rowmac"


def used(path: Path) -> None:
    """Mark a kept file as the one used last."""
    with suppress(OSError):
        os.utime(path)


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Remove kept files but for the ``count`` that were used last."""

    def age(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:
            return 0.0  # another process has removed it

    for path in sorted(folder.glob(pattern), key=age, reverse=True)[count:]:
        with suppress(OSError):
            path.unlink()


def made_folder(name: str, what: str) -> Path:
    """A folder of that name in :func:`cache_folder`, made if it is not there.

    Raises
    ------
    UserError
        If there is no such place, or nothing may be written there.
    """
    folder = cache_folder(what) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from None
    return folder
