"""The user's cache folder, where simulators, synthesised parts and points are kept between runs."""

import os
from pathlib import Path

from flows.errors import UserError

__all__ = ["cache_folder"]


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
