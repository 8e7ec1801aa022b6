"""Where a host finds the machine: for programs (JSON) and for C."""

import json
from collections.abc import Mapping

from flows.boards.board import Board

__all__ = ["c_header", "to_json"]


def to_json(board: Board, registers: Mapping[str, int]) -> str:
    """The address map as JSON; addresses are strings in hexadecimal.

    Parameters
    ----------
    registers
        byte offset by name.
    """
    return (
        json.dumps(
            {
                "board": board.name,
                "registers": {
                    "base": f"{board.control_base:#010x}",
                    "bytes": board.control_bytes,
                    "offsets": {name: f"{offset:#05x}" for name, offset in registers.items()},
                },
                "memory": {"base": f"{board.memory_base:#010x}", "bytes": board.memory_bytes},
                "interrupt": {"shared_peripheral_interrupt": board.interrupt, "sense": "level"},
                "clock_mhz": board.clock_mhz,
            },
            indent=2,
        )
        + "\n"
    )


def c_header(board: Board, registers: Mapping[str, int]) -> str:
    """The address map as constants of a C header."""
    constants = {
        "CONTROL_BASE": f"{board.control_base:#010x}u",
        "CONTROL_BYTES": f"{board.control_bytes}u",
        "MEMORY_BASE": f"{board.memory_base:#010x}u",
        "MEMORY_BYTES": f"{board.memory_bytes:#010x}u",
        "INTERRUPT": f"{board.interrupt}u",
        "CLOCK_HZ": f"{round(board.clock_mhz * 1e6)}u",
        **{f"REG_{name.upper()}": f"{offset:#05x}u" for name, offset in registers.items()},
    }
    width = max(map(len, constants))
    lines = [f"#define ROWMAC_{name:<{width}} {value}" for name, value in constants.items()]
    return "\n".join(
        [
            f"/* The rowmac machine on {board.title}. Addresses are physical. */",
            "#ifndef ROWMAC_MAP_H",
            "#define ROWMAC_MAP_H",
            "",
            *lines,
            "",
            "#endif",
            "",
        ]
    )
