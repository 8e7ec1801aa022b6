"""Runs cocotb's Verilator commands as child processes that end with their parent.

Differs from the runner that cocotb ships in these points: the Verilator package's own program and
environment are used whatever is on ``PATH``; only the top module's signals are accessible; a
waveform may be of the kind FST; long functions of a model are split, and its files joined; quick
builds do without Verilator's slowest pass; output goes to a log; the parent can follow the run and
can end it at any time; and a failed command raises :class:`CommandFailed` instead of ending the
parent.

Where cocotb is not installed, the import of this module raises :class:`sim.verilator.Missing`.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from sim import verilator
from sim.guard import SHELL, Guard

try:
    from cocotb_tools import config, runner
except ModuleNotFoundError as error:
    if error.name not in ("cocotb", "cocotb_tools"):
        raise
    raise verilator.not_installed("cocotb") from None

__all__ = ["Command", "CommandFailed"]

TICK_SECONDS = 0.05
START = 'read start && exec "$@" </dev/null'
"""A command waits here until the guard knows it: a parent killed before that starts nothing."""


class CommandFailed(RuntimeError):
    """A child process ended with an exit status other than 0."""

    def __init__(self, program: str, status: int) -> None:
        super().__init__(f"{program} ended with status {status}")
        self.program = program
        self.status = status


class Command(runner.Verilator):
    """cocotb's Verilator runner with a log, a tick, and this project's Verilator."""

    def __init__(
        self,
        output: IO[bytes],
        on_tick: Callable[[], None] | None = None,
        *,
        optimise: bool = True,
        before_make: Callable[[], None] = lambda: None,
        fst: bool = False,
    ) -> None:
        super().__init__()
        self.log.setLevel("WARNING")
        self._output = output
        self._on_tick = on_tick
        self._optimise = optimise
        self._before_make = before_make
        self._fst = fst

    def run_tests(self, **arguments: Any) -> None:
        """:meth:`test` of the base class, as if it was not called from within pytest.

        Under pytest the base class judges the results itself, and ends the process.
        """
        name = "PYTEST_CURRENT_TEST"
        current = os.environ.pop(name, None)
        try:
            self.test(**arguments)
        finally:
            if current is not None:
                os.environ[name] = current

    def _set_env_common(self) -> None:
        super()._set_env_common()
        libraries = self.env["PATH"].split(os.pathsep)[-1]
        self.env.update(verilator.environment())
        self.env["PATH"] += os.pathsep + libraries

    def _simulator_in_path_build_only(self) -> None:
        self.executable = str(verilator.executable())

    def _build_command(self) -> list[list[str]]:
        commands = [list(command) for command in super()._build_command()]
        everything = commands[0].index("--public-flat-rw")
        # The compiler's time grows faster than the length of a function.
        depth = ["--public-depth", "1", "--output-split-cfuncs", "500"]
        commands[0][everything : everything + 1] = depth
        if not self._optimise:
            # This pass gives a quarter of the speed of long runs, but takes up to five sixths of
            # Verilator's time.
            commands[0].insert(everything, "-fno-merge-cond-motion")
        if self._fst and self.waves:
            commands[0][commands[0].index("--trace")] = "--trace-fst"
        return commands

    def _execute(self, cmds: Sequence[Sequence[str]], cwd: Any) -> None:
        for command in cmds:
            more: Sequence[str] = ()
            if command[0] == "make":
                self._before_make()
                main = config.share_dir / "lib" / "verilator" / "verilator.cpp"
                more = verilator.joined(self.build_dir, main)
            self._run([*command, *more], Path(cwd))

    def _run(self, command: list[str], folder: Path) -> None:
        with Guard() as guard:
            # In a session of its own: Ctrl-C reaches the parent only, which then ends the whole
            # group; the guard does where the parent is killed.
            process = subprocess.Popen(
                [SHELL, "-c", START, SHELL, *command],
                cwd=folder,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                guard.watch(process.pid)
                assert process.stdin is not None
                with contextlib.suppress(BrokenPipeError), process.stdin:
                    process.stdin.write(b"start\n")
                while process.poll() is None:
                    if self._on_tick:
                        self._on_tick()
                    time.sleep(TICK_SECONDS)
                if self._on_tick:
                    self._on_tick()
            except BaseException:
                _end(process)
                raise
        if process.returncode:
            raise CommandFailed(Path(command[0]).name, process.returncode)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()
