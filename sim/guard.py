"""Ends a process group when the process that started it is gone, however that was ended."""

import subprocess
from types import TracebackType
from typing import Self

__all__ = ["Guard"]

SHELL = "/bin/sh"
WATCH = 'read group && { read over || kill -s KILL -- "-$group"; }'
"""Reads the group; then the pipe's end (its writer is dead) kills it, a further line does not."""


class Guard:
    """Context in which :meth:`watch` gives a group of processes this process' own life.

    A handler cannot do that: SIGKILL, which also the kernel sends where memory runs out, is never
    seen. So a shell waits at the other end of a pipe, which the kernel closes whatever happens.
    """

    def __init__(self) -> None:
        # In a session of its own, so that Ctrl-C at the terminal does not end the watch.
        self._shell = subprocess.Popen(
            [SHELL, "-c", WATCH],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tell("over")
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait()

    def watch(self, group: int) -> None:
        """From now on, end this group of processes if this process ends within the block."""
        self._tell(str(group))

    def _tell(self, line: str) -> None:
        assert self._shell.stdin is not None
        try:
            self._shell.stdin.write(f"{line}\n".encode())
            self._shell.stdin.flush()
        except BrokenPipeError:
            pass  # somebody has ended the shell: there is no watch, and nothing else is wrong
