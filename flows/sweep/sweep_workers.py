"""Workers of a sweep: processes here, or those of a Dask cluster. Either kind may die."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from flows.errors import RunError, UserError
from flows.sweep.measure import Task, Worker, work
from flows.sweep.point_store import Outcome
from flows.sweep.tools import ToolMissingError
from flows.work.workers import PATIENCE, LocalWorkers, Workers

__all__ = ["DaskWorkers", "SweepWorkers", "local_workers"]

SweepWorkers = Workers[Task, list[Outcome]]
"""Workers that run a sweep's tasks."""


def local_workers(jobs: int = 0, worker: Worker = work) -> SweepWorkers:
    """Processes on this machine; with 0 jobs one for each core.

    Tests pass a fast function as ``worker``.
    """
    return LocalWorkers(worker, jobs)


def _greet(address: str, seconds: float) -> None:
    """See that a Dask scheduler answers: its own client would try for a minute.

    Raises
    ------
    OSError, ValueError
        If nothing answers, or the text is no address.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme not in ("tcp", "tls"):
        return  # of this process, or of a transport that is Dask's business
    if parts.port is None:
        raise ValueError("it has no port")
    # Where nobody listens, Dask would try again and again.
    socket.create_connection((parts.hostname, parts.port), timeout=seconds).close()
    try:
        asyncio.run(_shake_hands(address, seconds))
    except TimeoutError:
        raise OSError("what listens there is not Dask") from None


async def _shake_hands(address: str, seconds: float) -> None:
    from distributed.comm.core import connect

    async with asyncio.timeout(seconds):
        comm = await connect(address, timeout=seconds)
        await comm.close()


class DaskWorkers(Workers[Task, list[Outcome]]):
    """Workers of an existing Dask cluster; rowmac must be installed on them.

    Parameters
    ----------
    address : str
        Address of the scheduler, such as ``tcp://host:8786``.
    """

    TIMEOUT = 10
    """Seconds to wait for the scheduler's answer."""

    def __init__(self, address: str, worker: Worker = work) -> None:
        self.address, self.worker = address, worker
        try:
            from distributed import Client
        except ImportError:
            raise UserError(
                "--scheduler needs Dask: install rowmac with its dask extra, rowmac[dask]"
            ) from None
        try:
            _greet(address, self.TIMEOUT)
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
