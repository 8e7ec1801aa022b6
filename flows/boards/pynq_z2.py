"""TUL PYNQ-Z2: a Zynq-7020 with 512 MB.

Pins are those of public copies of TUL's constraints file ``pynq-z2_v1.0.xdc`` (125 MHz on H16 for
the fabric, LD0 to LD3 on R14, P14, N16 and M14, all of bank 34 or 35 at 3.3 V); device and size of
the memory are as the board is commonly described, not read in its manual. Resources of the XC7Z020
are from DS190, addresses from UG585, table 4-1, and the interrupt from its table 7-4. Clock,
addresses and interrupt are those of the other boards with this device.
"""

from typing import Any

from flows.boards.board import Board, Resources
from flows.boards.memory_port import MemoryPort
from flows.boards.platforms import xilinx_platform

__all__ = ["BOARD"]


def _platform() -> Any:
    return xilinx_platform(
        device="xc7z020",
        package="clg400",
        speed="1",
        leds="R14 P14 N16 M14",
        clock=("H16", 125e6),
    )


BOARD = Board(
    name="pynq-z2",
    title="TUL PYNQ-Z2",
    part="xc7z020clg400-1",
    host="zynq7",
    clock_mhz=100.0,
    data_width=64,
    control_base=0x43C0_0000,
    memory_base=0x1000_0000,
    memory_bytes=0x1000_0000,
    interrupt=29,
    resources=Resources(luts=53_200, flip_flops=106_400, dsps=220, block_rams=140),
    source="copies of pynq-z2_v1.0.xdc; memory not checked; DS190; UG585 tables 4-1 and 7-4",
    ddr_bytes=512 << 20,
    memory=MemoryPort(
        peak_mb_s=2_100.0,  # 16 bits at 1,050 MT/s
        source="as the Arty Z7-20's; not checked; bursts: UG585, reset values of "
        "AFI_RDCHAN_ISSUINGCAP and AFI_WRCHAN_ISSUINGCAP",
    ),
    platform=_platform,
)
