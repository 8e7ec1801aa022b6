"""Named machines: which spec each board gets."""

from models.machine_spec import MachineSpec

from .boards import Board

__all__ = ["default_machine"]


def default_machine(board: Board) -> MachineSpec:
    """The spec a board gets unless another one is asked for."""
    return MachineSpec(axi_width=board.data_width)
