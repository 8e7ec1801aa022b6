"""Former place of :mod:`flows.machine.default`."""

from flows.boards import Board
from flows.machine.default import machine_for
from models.machine.spec import MachineSpec


def default_machine(board: Board, rows: str | None = None) -> MachineSpec:
    """The board's machine, with these rows if they are given."""
    return machine_for(board, lambda spec: None, rows).spec


__all__ = ["default_machine"]
