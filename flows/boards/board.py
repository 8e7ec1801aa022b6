"""What the project knows about a board."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["DEVICE", "Board", "Resources"]

DEVICE = {"lut": "luts", "ff": "flip_flops", "dsp": "dsps", "bram36": "block_rams"}
"""Figures of a machine, and fields of :class:`Resources` that they are shares of."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the device offers: LUTs, flip-flops, DSP slices, block RAMs of 36 Kbit."""

    luts: int
    flip_flops: int
    dsps: int
    block_rams: int


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board with a processor system that is the machine's host.

    Attributes
    ----------
    name
        as given on the command line.
    title
        as its maker calls it.
    part
        the device, as Vivado calls it.
    host
        kind of processor system; decides the top module.
    clock_mhz
        of the fabric clock from the processor system.
    data_width
        of the memory port, in bits.
    control_base
        physical byte address of the machine's registers; they take ``control_bytes``.
    memory_base, memory_bytes
        part of the memory that the host should keep for the machine (physical byte address).
    interrupt
        number among the shared peripheral interrupts of the interrupt controller.
    resources
        of the device.
    source
        where these facts are from.
    """

    name: str
    title: str
    part: str
    host: Literal["zynq7", "zynqmp"]
    clock_mhz: float
    data_width: int
    control_base: int
    control_bytes: int = 4096
    memory_base: int
    memory_bytes: int
    interrupt: int
    resources: Resources
    source: str

    @property
    def family(self) -> str:
        """Primitives of the device, as :class:`hdl.machine.Machine` calls them."""
        return {"zynq7": "xc7", "zynqmp": "xcup"}[self.host]
