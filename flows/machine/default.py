"""Named machines: which spec each board gets."""

from dataclasses import replace

from flows.boards import Board
from flows.errors import UserError
from models.formats.row_classes import parse_row_classes
from models.machine.spec import MachineSpec

__all__ = ["DEFAULTS", "default_machine"]

DEFAULTS = {
    "arty-z7-20": MachineSpec(),
    # Four times the array, on words of 32 bytes; its wider bus keeps weights coming.
    "zcu102": MachineSpec(tokens=4, rows=16, vector_lanes=16, depth=4096),
}
"""Specs by board, apart from the bus, which is the board's."""


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
    spec = replace(DEFAULTS[board.name], axi_width=board.data_width)
    if classes is None:
        return spec
    try:
        return spec.with_classes(parse_row_classes(classes))
    except ValueError as error:
        raise UserError(f"--rows: {error}") from None
