"""Vivado's synthesis of a whole machine, where it is installed: out of context, not placed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from flows.errors import RunError, UserError
from flows.estimate.resources.vivado_report import Utilisation, read_utilisation
from models.machine.spec import MachineSpec

__all__ = ["find_vivado", "vivado_utilisation"]

SCRIPT = """\
read_verilog machine.v
synth_design -top rowmac -part {part} -mode out_of_context
report_utilization -file utilisation.txt
"""


def find_vivado() -> str:
    """Path of the program.

    Raises
    ------
    UserError
        If it is not on PATH.
    """
    found = shutil.which("vivado")
    if found is None:
        raise UserError("vivado must be on PATH for --vivado; --synthesise takes Yosys instead")
    return found


def vivado_utilisation(spec: MachineSpec, family: str, part: str) -> Utilisation:
    """Synthesise in a temporary folder; minutes to an hour.

    Parameters
    ----------
    family : ``xc7`` or ``xcup``, as :class:`hdl.machine.Machine` takes it
    part : the device, as Vivado calls it

    Raises
    ------
    UserError
        If Vivado is not on PATH.
    RunError
        If it fails, or reports something else than expected.
    """
    program = find_vivado()
    from hdl.emit import emit
    from hdl.machine import Machine

    with tempfile.TemporaryDirectory(prefix="rowmac-vivado-") as name:
        folder = Path(name)
        (folder / "machine.v").write_text(emit(Machine(spec, family), "rowmac"))
        (folder / "synthesise.tcl").write_text(SCRIPT.format(part=part))
        said = _run([program, "-mode", "batch", "-nojournal", "-source", "synthesise.tcl"], folder)
        report = folder / "utilisation.txt"
        if not report.exists():
            raise RunError(f"Vivado wrote no utilisation report: {_last(said)}")
        return read_utilisation(report.read_text())


def _run(command: list[str], folder: Path) -> str:
    # Vivado is a script that starts others: all of them end with this, however it ends.
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said = process.communicate()[0]
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise RunError(f"Vivado stopped with status {process.returncode}: {_last(said)}")
    return said


def _last(said: str) -> str:
    """The first error of a log, or else its last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines[-1:] or ["it said nothing"])[0]
