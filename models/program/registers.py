"""Register map of the control port: byte offsets and bits (see docs/program.md)."""

from __future__ import annotations

from enum import IntEnum

from models.machine.units import UNITS

WATCHDOG_DEFAULT = 1 << 20
"""Cycles without progress after which the watchdog stops a run."""


class Register(IntEnum):
    """Byte offsets of 32-bit registers."""

    ID = 0x000
    VERSION = 0x004
    FINGERPRINT = 0x008
    CONTROL = 0x00C
    STATUS = 0x010
    ERROR = 0x014
    INTERRUPT_ENABLE = 0x018
    INTERRUPT_CLEAR = 0x01C
    PROGRAM = 0x020
    WATCHDOG = 0x024
    CYCLES_LOW = 0x028
    CYCLES_HIGH = 0x02C
    RUN = 0x030
    BUSY = 0x040
    STALL = 0x060
    WINDOWS = 0x080


CONTROL_START = 1
CONTROL_STOP = 2
"""Ends a run as an error does; without effect if none is in progress."""
STATUS_BUSY = 1
STATUS_DONE = 2
STATUS_ERROR = 4


class ErrorCode(IntEnum):
    """Low byte of the error register; bits 8-10 name the unit, bits 16-31 its descriptor's tag."""

    NONE = 0
    SCRATCHPAD_BOUNDS = 1
    WINDOW_BOUNDS = 2
    BUS_READ = 3
    BUS_WRITE = 4
    BAD_DESCRIPTOR = 5
    ENTRY_BOUNDS = 6
    BAD_MAGIC = 7
    BAD_VERSION = 8
    BAD_FINGERPRINT = 9
    TOKEN_OVERFLOW = 10
    WATCHDOG = 11
    STOPPED = 12


CONTROL_UNIT = UNITS
"""Unit number for errors outside the units: fetch, dispatch, scratchpad, watchdog."""


def busy_register(unit: int) -> int:
    """Return the offset of a unit's counter of busy cycles (cycles with a descriptor)."""
    return Register.BUSY + 4 * unit


def stall_register(unit: int) -> int:
    """Return the offset of a unit's counter of stall cycles."""
    return Register.STALL + 4 * unit


def window_register(window: int) -> int:
    """Return the offset of a window's base register; its size register follows."""
    return Register.WINDOWS + 8 * window
