"""Named machines: which spec each board gets."""

from dataclasses import replace

from models.machine_spec import MachineSpec

from .boards import Board

__all__ = ["DEFAULTS", "default_machine"]

DEFAULTS = {
    "arty-z7-20": MachineSpec(),
    # Four times the array, on words of 32 bytes; its wider bus keeps weights coming.
    "zcu102": MachineSpec(tokens=4, rows=16, vector_lanes=16, depth=4096),
}
"""Specs by board, apart from the bus, which is the board's."""


def default_machine(board: Board) -> MachineSpec:
    """The spec a board gets unless another one is asked for."""
    return replace(DEFAULTS[board.name], axi_width=board.data_width)
