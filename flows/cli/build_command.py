"""The ``rowmac build`` of a machine, and its file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.machine_options import machine_text

if TYPE_CHECKING:
    from flows.boards import Board
    from models.machine.spec import MachineSpec

__all__ = ["build_command", "written"]


def written(file: Path | None, board: Board, clock_mhz: float, spec: MachineSpec) -> str | None:
    """Write a machine if a file is asked for; its name as text.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    from flows.machine.machine_file import MachineFile, write_machine

    if file is None:
        return None
    write_machine(file, MachineFile(board=board, clock_mhz=clock_mhz, spec=spec))
    return str(file)


def build_command(network: str, board: Board, spec: MachineSpec, file: str | None = None) -> str:
    """What builds a network file on a machine, of a file of its own or by options."""
    machine = f"--board {board.name} {machine_text(spec)}"
    if file is not None:
        machine = f"--machine {shlex.quote(file)}"
    return f"rowmac build {shlex.quote(network)} {machine} -o out"
