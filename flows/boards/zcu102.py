"""AMD ZCU102: a Zynq UltraScale+ ZU9EG; pins of its LEDs are from UG1182, table 3-28."""

from typing import Any

from flows.boards.board import Board, Resources
from flows.boards.memory_port import MemoryPort
from flows.boards.platforms import xilinx_platform

__all__ = ["BOARD"]


def _platform() -> Any:
    return xilinx_platform(
        device="xczu9eg",
        package="ffvb1156",
        speed="2-e",
        leds="AG14 AF13 AE13 AJ14 AJ15 AH13 AH14 AL12",
    )


BOARD = Board(
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
    # The lower 2 GB of the DDR4 but for the last MB, which the device trees of the board leave out.
    ddr_bytes=0x7FF0_0000,
    memory=MemoryPort(
        peak_mb_s=17_064.0,  # 64 bits at 2,133 MT/s; one port of 128 bits passes far less
        source="UG1182 (DDR4 SODIMM at 2,133 MT/s); bursts: as the Zynq-7000's port, not checked",
    ),
    platform=_platform,
    # Four times the default array, on words of 32 bytes; the wider bus keeps weights coming.
    machine={"tokens": 4, "rows": 16, "vector_lanes": 16, "depth": 4096},
)
