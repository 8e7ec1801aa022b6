"""Sweeps whose processes are killed at random times end as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.sweep.measure import SYNTHESIS
from tests.support.killed_sweep import DEFINITION

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
KILLS = 20
SEED = 99


def start(*arguments: str, module: str = "tests.support.killed_sweep") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def rows(store: Path) -> list[tuple[object, ...]]:
    file = sqlite3.connect(store)
    try:
        return file.execute("SELECT * FROM result ORDER BY point, stage").fetchall()
    finally:
        file.close()


def done(store: Path) -> int:
    try:
        return sum(row[1] == SYNTHESIS for row in rows(store))
    except sqlite3.Error:
        return 0


def children(pid: int) -> list[int]:
    """Processes below one, from the system's table."""
    found, parents = [], {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    for one in parents:
        above = parents[one]
        while above in parents and above != pid:
            above = parents[above]
        if above == pid:
            found.append(one)
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    store = tmp_path_factory.mktemp("undisturbed") / "sweep.sqlite"
    assert start(str(store)).wait(120) == 0
    found = rows(store)
    assert len(DEFINITION) == 212
    assert sum(row[1] == SYNTHESIS for row in found) == 200
    return found


def survive(
    store: Path, workers: Callable[[subprocess.Popen[bytes]], list[int]], *arguments: str
) -> list[str]:
    """Run; kill the main process or a worker whenever some more points are done; run to the end.

    Gives what was killed.
    """
    rng = random.Random(SEED)
    main, starts = start(str(store), *arguments), 1
    killed: list[str] = []
    for points in sorted(rng.sample(range(1, 180), KILLS)):
        while done(store) < points:
            if main.poll() is not None:
                main, starts = start(str(store), *arguments), starts + 1
                assert starts <= KILLS + 2, f"sweep ends by itself: {killed} (seed {SEED})"
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.1))
        victims = workers(main) if rng.random() < 0.5 else []
        try:
            os.kill(rng.choice(victims or [main.pid]), signal.SIGKILL)
        except ProcessLookupError:
            continue
        killed.append("worker" if victims else "main")
    while main.wait(120) != 0:
        main, starts = start(str(store), *arguments), starts + 1
        assert starts <= KILLS + 2, f"sweep ends by itself: {killed} (seed {SEED})"
    return killed


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs the process table of Linux")
def test_local_processes(undisturbed: list[tuple[object, ...]], tmp_path: Path) -> None:
    store = tmp_path / "sweep.sqlite"
    killed = survive(store, lambda main: children(main.pid))
    assert {"main", "worker"} == set(killed), f"{killed} (seed {SEED})"
    assert rows(store) == undisturbed


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address of a scheduler, and the process above its workers."""
    file = tmp_path / "scheduler.json"
    options = ("--scheduler-file", str(file), "--no-dashboard")
    scheduler = start(*options, "--port", "0", "--host", "127.0.0.1",
                      module="distributed.cli.dask_scheduler")  # fmt: skip
    workers = start(*options, "--nworkers", "2", "--nthreads", "1", "--local-directory",
                    str(tmp_path / "dask"), module="distributed.cli.dask_worker")  # fmt: skip
    try:
        for _ in range(300):
            if file.exists() and len(children(workers.pid)) >= 2:
                break
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"], workers
    finally:
        for process in (workers, scheduler):
            for pid in [*children(process.pid), process.pid]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait(10)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs the process table of Linux")
def test_dask_cluster(
    undisturbed: list[tuple[object, ...]],
    cluster: tuple[str, subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    address, workers = cluster
    store = tmp_path / "sweep.sqlite"
    killed = survive(store, lambda main: children(workers.pid), address)
    assert {"main", "worker"} == set(killed), f"{killed} (seed {SEED})"
    assert rows(store) == undisturbed
