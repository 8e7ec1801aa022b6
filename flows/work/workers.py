"""Processes that do independent pieces of work; they may die."""

from __future__ import annotations

import multiprocessing
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Generic, Self, TypeVar

from flows.errors import RunError, UserError
from flows.work.orphans import end_group, end_with_parent

__all__ = ["PATIENCE", "LocalWorkers", "Workers", "check_jobs"]

PATIENCE = 20
"""Deaths of workers in a row, nothing done in between, after which work is given up."""

Task = TypeVar("Task", contravariant=True)
Result = TypeVar("Result", covariant=True)


MOST_JOBS = 4096


def check_jobs(jobs: int) -> None:
    """See that so many processes can be asked for; 0 is as many as there are cores.

    Raises
    ------
    UserError
        If they cannot.
    """
    if jobs < 0:
        raise UserError(f"--jobs must be at least 0, not {jobs}")
    if jobs > MOST_JOBS:
        raise UserError(f"--jobs must be at most {MOST_JOBS:,}, not {jobs:,}")


class Workers(ABC, Generic[Task, Result]):
    """Does tasks in any order, again where a worker died; a context that ends with them."""

    @abstractmethod
    def run(self, tasks: Sequence[Task]) -> Iterator[Result]:
        """Results of tasks as they are done."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the workers; what they are at is given up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalWorkers(Workers[Task, Result]):
    """Processes on this machine; one only works in this process.

    Parameters
    ----------
    worker : function
        What does a task.
    jobs : int
        Processes; 0 for as many as there are cores.
    """

    def __init__(self, worker: Callable[[Task], Result], jobs: int = 0) -> None:
        self.worker = worker
        self.jobs = jobs or _cores()
        self._pool: ProcessPoolExecutor | None = None

    def close(self) -> None:
        """See :meth:`Workers.close`."""
        if self._pool is not None:
            self._end(self._pool)

    def run(self, tasks: Sequence[Task]) -> Iterator[Result]:
        """Results of tasks as they are done.

        Raises
        ------
        RunError
            If workers die again and again without anything done.
        """
        if len(tasks) <= 1 or self.jobs == 1:
            yield from map(self.worker, tasks)
            return
        left = list(range(len(tasks)))
        deaths = 0
        while left:
            pool = self._pool = self._start()
            # Few at a time: what is handed over is lost with the pool.
            queue = iter(list(left))
            running: dict[Future[Result], int] = {}
            try:
                while True:
                    while len(running) < 2 * self.jobs and (at := next(queue, -1)) >= 0:
                        running[pool.submit(self.worker, tasks[at])] = at
                    if not running:
                        break
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        left.remove(running.pop(future))
                        deaths = 0
                        yield result
            except BrokenProcessPool:
                deaths += 1
                if deaths >= PATIENCE:
                    raise RunError(
                        f"workers must live to finish a point, not die {deaths} times in a row; "
                        "what is done is kept"
                    ) from None
            finally:
                self._end(pool)

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.jobs,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_worker_begins,
            initargs=(os.getpid(),),
        )

    def _end(self, pool: ProcessPoolExecutor) -> None:
        self._pool = None
        # Work under way is not waited for: it is not kept, so it is done again.
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _worker_begins(parent: int) -> None:
    """A worker ends with the process it works for, and with it whatever it has started."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end_group)
    end_with_parent(parent, group=True)
