"""Workers of a sweep: processes here, or those of a Dask cluster. Either kind may die."""

from __future__ import annotations

import multiprocessing
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Self

from flows.errors import RunError, UserError
from flows.orphans import end_group, end_with_parent
from flows.sweep.store import Outcome
from flows.sweep.tools import ToolMissingError
from flows.sweep.work import Task, Worker, work

__all__ = ["DaskWorkers", "LocalWorkers", "Workers"]

PATIENCE = 20
"""Deaths of workers in a row, nothing done in between, after which a sweep is given up."""


class Workers(ABC):
    """Does tasks in any order, again where a worker died; a context that ends with them."""

    @abstractmethod
    def run(self, tasks: Sequence[Task]) -> Iterator[list[Outcome]]:
        """Outcomes of tasks as they are done."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the workers; what they are at is given up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalWorkers(Workers):
    """Processes on this machine; one only works in this process.

    Parameters
    ----------
    jobs : int
        Processes; 0 for as many as there are cores.
    worker : function
        What does a task; tests put something fast in its place.
    """

    def __init__(self, jobs: int = 0, worker: Worker = work) -> None:
        self.jobs = jobs or _cores()
        self.worker = worker
        self._pool: ProcessPoolExecutor | None = None

    def close(self) -> None:
        """See :meth:`Workers.close`."""
        if self._pool is not None:
            self._end(self._pool)

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Outcome]]:
        """Outcomes of tasks as they are done.

        Raises
        ------
        RunError
            If workers die again and again without anything done.
        """
        if len(tasks) == 1 or self.jobs == 1:
            yield from map(self.worker, tasks)
            return
        left = list(range(len(tasks)))
        deaths = 0
        while left:
            pool = self._pool = self._start()
            # Few at a time: what is handed over is lost with the pool.
            queue = iter(list(left))
            running: dict[Future[list[Outcome]], int] = {}
            try:
                while True:
                    while len(running) < 2 * self.jobs and (at := next(queue, -1)) >= 0:
                        running[pool.submit(self.worker, tasks[at])] = at
                    if not running:
                        break
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        outcomes = future.result()
                        left.remove(running.pop(future))
                        deaths = 0
                        yield outcomes
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
        # Work under way is not waited for: it is not in the store, so it is done again.
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


class DaskWorkers(Workers):
    """Workers of an existing Dask cluster; rowmac must be installed on them.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://host:8786``.
    """

    TIMEOUT = 10
    """Seconds until a scheduler that does not answer is none."""

    def __init__(self, address: str, worker: Worker = work) -> None:
        self.address, self.worker = address, worker
        try:
            from distributed import Client
        except ImportError:
            raise UserError(
                "--scheduler needs Dask: install rowmac with its dask extra, rowmac[dask]"
            ) from None
        try:
            self._client: Any = Client(address, timeout=self.TIMEOUT, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            said = " ".join(str(error).split())[:120]
            raise UserError(
                f"--scheduler must be the address of a running Dask scheduler, such as "
                f"tcp://127.0.0.1:8786, not {address} ({said})"
            ) from None

    def close(self) -> None:
        """See :meth:`Workers.close`."""
        self._client.close(timeout=2)

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Outcome]]:
        """Outcomes of tasks as they are done.

        Raises
        ------
        RunError
            If the cluster goes away, or its workers die again and again.
        UserError
            If its workers lack a program.
        """
        from distributed import CancelledError, KilledWorker, as_completed

        client = self._client
        futures = client.map(self.worker, tasks, pure=False, retries=PATIENCE)
        places = {future.key: index for index, future in enumerate(futures)}
        deaths = dict.fromkeys(places, 0)
        waiting = as_completed(futures, loop=client.loop)
        for future in waiting:
            try:
                outcomes = future.result()
            except KilledWorker:
                deaths[future.key] += 1
                if deaths[future.key] >= PATIENCE:
                    raise RunError("workers of the cluster die again and again") from None
                again = client.submit(self.worker, tasks[places[future.key]], pure=False)
                places[again.key], deaths[again.key] = places[future.key], deaths[future.key]
                waiting.add(again)
                continue
            except ToolMissingError as error:
                raise UserError(
                    f"workers of {self.address} must have the programs that the sweep runs: "
                    f"{error}; what is done is kept"
                ) from None
            except (CancelledError, OSError) as error:
                raise RunError(
                    f"Dask scheduler {self.address} must answer until the end ({error}); what is "
                    "done is kept"
                ) from None
            yield outcomes


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _worker_begins(parent: int) -> None:
    """A worker ends with the process it works for, and with it whatever it has started."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end_group)
    end_with_parent(parent, group=True)
