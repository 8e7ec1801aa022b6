"""Processes that end with the one that started them, even where that is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import NoReturn

__all__ = ["end_group", "end_with_parent"]

_LOOK_SECONDS = 0.5


def end_with_parent(parent: int | None = None, *, group: bool = False) -> None:
    """From now on this process ends when its parent does.

    Parameters
    ----------
    parent : int, optional
        Process number of the parent; default the one it has now.
    group : bool
        All of this process' group ends with it.
    """
    known = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == known:
            time.sleep(_LOOK_SECONDS)
        if group:
            end_group()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_group(*_: object) -> NoReturn:
    """Kill this process and all others of its group; also a handler of signals."""
    os.killpg(0, signal.SIGKILL)
    os._exit(1)
