"""Files that users name, before anything else is done with them."""

from pathlib import Path

from flows.errors import UserError

__all__ = ["check_readable", "refuse_device"]


def refuse_device(path: Path) -> None:
    """See that a path is no device or pipe, which may have no end.

    Raises
    ------
    UserError
        If it is one.
    """
    try:
        other = path.exists() and not (path.is_file() or path.is_dir())
    except OSError:
        return  # whoever reads it finds out why
    if other:
        raise UserError(f"cannot read {path}: it must be a file, not a device or pipe")


def check_readable(path: Path) -> None:
    """See that it is a file that can be read.

    Raises
    ------
    UserError
        If it is none, or cannot be read.
    """
    refuse_device(path)
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
