"""What the project knows about a board."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from flows.boards.host import HOSTS
from flows.boards.memory_port import MemoryPort

__all__ = ["DEVICE", "RESOURCES", "Board", "Resources"]

DEVICE = {"lut": "luts", "ff": "flip_flops", "dsp": "dsps", "bram36": "block_rams"}
"""Figures of a machine, and fields of :class:`Resources` that they are shares of."""

RESOURCES = {"lut": "LUTs", "ff": "flip-flops", "dsp": "DSP slices", "bram36": "block RAMs"}
"""The same figures as people call them."""


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
        kind of processor system, a key of :data:`flows.boards.host.HOSTS`.
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
    ddr_bytes
        of the memory that the machine's port reaches, from address 0.
    memory
        the memory and the port to it.
    platform
        makes a fresh Amaranth platform: pins and their constraints. It imports what it needs when
        it is called, so that a listing of the boards stays quick.
    machine
        parameters of :class:`models.machine.spec.MachineSpec` of the board's default machine, where
        they differ from the spec's defaults; ``axi_width`` is always ``data_width``.
    """

    name: str
    title: str
    part: str
    host: str
    clock_mhz: float
    data_width: int
    control_base: int
    control_bytes: int = 4096
    memory_base: int
    memory_bytes: int
    interrupt: int
    resources: Resources
    source: str
    ddr_bytes: int
    memory: MemoryPort
    platform: Callable[[], Any]
    machine: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def family(self) -> str:
        """Primitives of the device, as :class:`hdl.machine.Machine` calls them."""
        return HOSTS[self.host].family

    def facts(self) -> dict[str, Any]:
        """What manifests and listings say of the board, as JSON can hold it."""
        left_out = ("ddr_bytes", "platform", "machine")
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        facts = {name: value for name, value in values.items() if name not in left_out}
        nested = {name: vars(values[name]).copy() for name in ("resources", "memory")}
        return {**facts, **nested}
