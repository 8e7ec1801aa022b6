"""The boards. Data only; nothing is imported that a listing does not need."""

import difflib

from flows.boards.board import Board, Resources

__all__ = ["BOARDS", "UnknownBoard", "find"]


class UnknownBoard(ValueError):
    """No board has the name that was asked for; the text suggests one, or lists all."""


BOARDS = (
    Board(
        name="arty-z7-20",
        title="Digilent Arty Z7-20",
        part="xc7z020clg400-1",
        host="zynq7",
        clock_mhz=100.0,
        data_width=64,
        control_base=0x43C0_0000,
        memory_base=0x1800_0000,
        memory_bytes=0x0800_0000,
        interrupt=29,
        resources=Resources(luts=53_200, flip_flops=106_400, dsps=220, block_rams=140),
        source="Arty Z7 reference manual; DS190; UG585 tables 4-1 and 7-4",
    ),
    Board(
        name="zcu102",
        title="AMD Zynq UltraScale+ MPSoC ZCU102",
        part="xczu9eg-ffvb1156-2-e",
        host="zynqmp",
        clock_mhz=150.0,
        data_width=128,
        control_base=0xA000_0000,
        memory_base=0x6000_0000,
        memory_bytes=0x1000_0000,
        interrupt=89,
        resources=Resources(luts=274_080, flip_flops=548_160, dsps=2_520, block_rams=912),
        source="UG1182; DS891; UG1085 tables 10-1 and 13-1",
    ),
)


def find(name: str) -> Board:
    """The board of that name.

    Raises
    ------
    UnknownBoard
        if there is none.
    """
    names = [board.name for board in BOARDS]
    if name in names:
        return BOARDS[names.index(name)]
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"
    raise UnknownBoard(f"board must be a known one, not {name!r}; {hint}")
