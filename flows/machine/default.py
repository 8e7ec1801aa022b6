"""The machine that a board gets unless another one is asked for."""

from flows.boards import Board
from flows.errors import UserError
from models.formats.row_classes import parse_row_classes
from models.machine.spec import MachineSpec

__all__ = ["default_machine"]


def default_machine(board: Board, classes: str | None = None) -> MachineSpec:
    """The spec a board gets unless another one is asked for.

    Parameters
    ----------
    classes : str, optional
        Row classes such as ``fixed8:12,pot4:20`` instead of nine-bit rows.

    Raises
    ------
    UserError
        If the text is no row classes, or the machine cannot have them.
    """
    spec = MachineSpec(**board.machine, axi_width=board.data_width)
    if classes is None:
        return spec
    try:
        return spec.with_classes(parse_row_classes(classes))
    except ValueError as error:
        raise UserError(f"--rows: {error}") from None
