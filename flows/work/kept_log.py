"""The log of a simulation that failed, kept where its reader finds it."""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from flows.errors import UserError
from flows.work.cache import cache_folder
from sim.runner import LOG

__all__ = ["with_kept_log"]


def with_kept_log(message: str, work: Path, folders: Iterable[Path] = ()) -> str:
    """A failure's text, naming a copy of the log in a folder that stays.

    Parameters
    ----------
    work
        folder of the simulation, which is about to be removed.
    folders
        where the copy is wanted, best first; the last resort is the user's cache folder.
    """
    log = work.absolute() / LOG
    if str(log) not in message:
        return message
    places = [folder.absolute() for folder in folders]
    with suppress(UserError):
        places.append(cache_folder("logs"))
    for place in places:
        with suppress(OSError):
            return message.replace(str(log), str(shutil.copyfile(log, place / LOG)))
    return message.replace(f", log {log}", "").replace(str(log), "its log")
