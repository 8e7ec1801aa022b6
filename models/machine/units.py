"""The units of the machine: one table for program, golden machine, RTL, simulator and estimates."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["UNITS", "UNIT_NAMES", "WORKING_UNITS", "Unit"]


class Unit(IntEnum):
    """Units by their code in a descriptor; ``END`` closes a program and belongs to no unit.

    A unit's code is also its place in the wait and signal masks of a descriptor, in the error
    register, in the blocks of busy and stall counters, and in the event ports of the machine.
    """

    LOAD = 0
    WEIGHT = 1
    MATRIX = 2
    VECTOR = 3
    STORE = 4
    END = 7


WORKING_UNITS = tuple(unit for unit in Unit if unit is not Unit.END)
"""Units that execute descriptors, in the order of their codes."""

UNITS = len(WORKING_UNITS)

UNIT_NAMES = tuple(unit.name.lower() for unit in WORKING_UNITS)
"""Names in reports, messages and ports."""

if WORKING_UNITS != tuple(range(UNITS)):
    raise AssertionError("codes of working units must be 0, 1, 2, ... without gaps")
