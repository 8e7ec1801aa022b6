"""Digilent Arty Z7-20: a Zynq-7020 with 512 MB."""

from typing import Any

from flows.boards.board import Board, Resources
from flows.boards.memory_port import MemoryPort

__all__ = ["BOARD"]


def _platform() -> Any:
    from amaranth_boards.arty_z7 import ArtyZ720Platform

    return ArtyZ720Platform()


BOARD = Board(
    name="arty-z7-20",
    title="Digilent Arty Z7-20",
    part="xc7z020clg400-1",
    host="zynq7",
    clock_mhz=100.0,
    data_width=64,
    control_base=0x43C0_0000,
    memory_base=0x1000_0000,
    memory_bytes=0x1000_0000,
    interrupt=29,
    resources=Resources(luts=53_200, flip_flops=106_400, dsps=220, block_rams=140),
    source="Arty Z7 reference manual; DS190; UG585 tables 4-1 and 7-4",
    ddr_bytes=512 << 20,
    memory=MemoryPort(
        peak_mb_s=2_100.0,  # 16 bits at 1,050 MT/s
        source="Arty Z7 reference manual; bursts: UG585, reset values of AFI_RDCHAN_ISSUINGCAP "
        "and AFI_WRCHAN_ISSUINGCAP",
    ),
    platform=_platform,
)
