"""The project files of a machine on a board."""

import re
from collections.abc import Mapping
from typing import Any

from flows.boards import address_map
from flows.boards.board import Board
from flows.boards.host import HOSTS
from hdl.emit import elaboration

__all__ = ["BUILD_COMMAND", "FILES", "project_files", "wrap"]

TOP = "top"
FILES = (
    "rowmac.v",
    f"{TOP}.v",
    f"{TOP}.xdc",
    f"{TOP}.tcl",
    "address_map.json",
    "rowmac_map.h",
)
"""Names of the files that :func:`project_files` makes."""
BUILD_COMMAND = f"vivado -mode batch -source {TOP}.tcl"
"""What makes the bitstream, where Vivado is installed; to be run in the folder of the files.

It ends with another status than 0, without a bitstream, if the design misses the clock."""

TIMING_GATE = """\
# No bitstream of a design that misses its clock: set-up (max) and hold (min) of the worst path.
foreach check {max min} {
    set slack [get_property SLACK [get_timing_paths -delay_type $check -max_paths 1]]
    if {$slack < 0} {
        puts "ERROR: timing must be met, not missed: slack $slack ns ($check)"
        exit 1
    }
}"""
"""Ends Vivado with status 1 after place and route, before the bitstream is written."""


def wrap(board: Board) -> Any:
    """The board's top module: the processor system around the module ``rowmac``."""
    return HOSTS[board.host].top(board.clock_mhz * 1e6)


def project_files(board: Board, machine: str, registers: Mapping[str, int]) -> dict[str, str]:
    """Text of every file by name; the same for the same arguments.

    ``rowmac.v`` is the machine as given, ``top.v`` what joins it with the processor system,
    ``top.xdc`` the constraints, ``top.tcl`` the Vivado script, ``address_map.json`` and
    ``rowmac_map.h`` what a host needs to know.

    Parameters
    ----------
    machine
        Verilog with the module ``rowmac``, whose memory port has the board's ``data_width``.
    registers
        byte offset by name.

    Raises
    ------
    ValueError
        if the machine's memory port has another width.
    """
    width = _data_width(machine)
    if width != board.data_width:
        raise ValueError(
            f"the machine's memory port must be {board.data_width} bits wide for {board.name}, "
            f"not {width}"
        )
    platform = board.platform()
    platform.add_file("rowmac.v", machine)
    with elaboration():
        plan = platform.prepare(
            wrap(board), TOP, emit_src=False, script_before_bitstream=TIMING_GATE
        )
    made = {
        **plan.files,
        "address_map.json": address_map.to_json(board, registers),
        "rowmac_map.h": address_map.c_header(board, registers),
    }
    texts = {name: made[name] for name in FILES}
    return {name: text if isinstance(text, str) else text.decode() for name, text in texts.items()}


def _data_width(machine: str) -> int:
    """Width of the port ``m_axi_rdata`` of the module ``rowmac``."""
    module = re.search(r"^module rowmac\b.*?^endmodule", machine, re.DOTALL | re.MULTILINE)
    port = re.search(r"\binput \[(\d+):0\] m_axi_rdata\b", module.group() if module else "")
    if port is None:
        raise ValueError("the machine's Verilog must have a module rowmac with a port m_axi_rdata")
    return int(port.group(1)) + 1
