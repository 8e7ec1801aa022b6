"""Whoever simulates is killed: nothing of it goes on, and what it has left is cleared away."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sim.runner import Design, build
from sim.scratch import scratch_folder
from tests.sim.test_runner import BENCH, COUNTER

RUN = """
import sys
from pathlib import Path
from sim.runner import Simulator
Simulator(Path(sys.argv[1]), "counter").run(sys.argv[2], Path(sys.argv[3]), tests=["never_ends"])
"""
HOLD = """
import sys, time
from pathlib import Path
from sim.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1]), "some-") as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def processes_in(folder: Path) -> list[Path]:
    """Those whose current folder it is."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if path.readlink() == folder:
                found.append(path.parent)
        except OSError:
            pass
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_simulator_ends_with_a_parent_that_is_killed(simulators: Path, tmp_path: Path) -> None:
    source, work = tmp_path / "counter.v", tmp_path / "work"
    source.write_text(COUNTER)
    simulator = build(Design(top="counter", sources=(source,)), simulators)
    command = [sys.executable, "-c", RUN, str(simulator.folder), BENCH, str(work)]
    with subprocess.Popen(command, start_new_session=True) as parent:
        wait_for(lambda: bool(processes_in(work)))
        os.kill(parent.pid, signal.SIGKILL)
    wait_for(lambda: not processes_in(work))


def test_a_folder_of_the_dead_is_removed_and_none_of_the_living(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        held = Path(holder.stdout.readline().rstrip())
        (held / "half").write_text("")
        (tmp_path / "something").mkdir()
        with scratch_folder(tmp_path, "some-") as mine:
            assert {*tmp_path.iterdir()} == {held, mine, tmp_path / "something"}
        os.kill(holder.pid, signal.SIGKILL)
    assert held.exists()
    with scratch_folder(tmp_path, "some-") as mine:
        assert {*tmp_path.iterdir()} == {mine, tmp_path / "something"}
    assert [*tmp_path.iterdir()] == [tmp_path / "something"]
