"""Kinds of processor systems that can be a board's host."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["HOSTS", "Host"]


@dataclass(frozen=True, kw_only=True)
class Host:
    """A kind of processor system.

    Attributes
    ----------
    family
        primitives of the fabric beside it, as :class:`hdl.machine.Machine` calls them.
    data_width
        of the port that the machine reaches memory by, in bits.
    control
        physical byte addresses of the port that reaches the machine's registers.
    top
        makes the top module, for a frequency of the fabric clock in Hz.
    """

    family: str
    data_width: int
    control: range
    top: Callable[[float], Any]


def _zynq7(clock_hz: float) -> Any:
    from hdl.top.zynq7 import Zynq7

    return Zynq7(clock_hz)


def _zynqmp(clock_hz: float) -> Any:
    from hdl.top.zynqmp import ZynqMp

    return ZynqMp(clock_hz)


HOSTS = {
    # M_AXI_GP0 and S_AXI_HP0. Source: UG585, table 4-1.
    "zynq7": Host(family="xc7", data_width=64, control=range(0x4000_0000, 0x8000_0000), top=_zynq7),
    # M_AXI_HPM0_FPD and S_AXI_HP0_FPD. Source: UG1085, table 10-1.
    "zynqmp": Host(
        family="xcup", data_width=128, control=range(0xA000_0000, 0xB000_0000), top=_zynqmp
    ),
}
