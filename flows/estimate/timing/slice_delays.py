"""Delays of what is in a slice: LUTs, carry chains, wide multiplexers, flip-flops, LUT memory.

Picoseconds, slow corner of a -1 part. LUTs, ``CARRY4``, ``MUXF7`` and ``MUXF8`` are the figures of
``artix7/timings/CLBLL_L.sdf`` of Project X-Ray (github.com/f4pga/prjxray-db), which is also where
Yosys's ``xilinx/cells_sim.v`` has its own from; data of a chain arrive by the bypass (``CARRY4_AX``
to ``CARRY4_DX``). There a flip-flop has 303, 340 or 443 ps from clock to Q by its place, and 109,
404 and up to 200 ps of set-up for CE, R and D; LUT memory 1,153 to 1,190 ps from clock to output.
One round figure stands for each.
"""

from __future__ import annotations

import re

from flows.estimate.timing.cell_timing import Arc, Bus, CellTiming
from flows.estimate.timing.netlist import Cell

__all__ = ["CARRY", "lut_memory", "slice_cell"]

LUT = 124
FLIP_FLOP, D_SETUP, CONTROL_SETUP = 350, 100, 200
MEMORY, MEMORY_READ, MEMORY_SETUP = 1100, 150, 500
SHIFTER, SHIFTER_SETUP, SHIFTER_ENABLE = 1300, 300, 500

CARRY: dict[tuple[str, int], dict[str, int]] = {
    ("CI", 0): {"CO0": 271, "CO1": 157, "CO2": 228, "CO3": 114,
                "O0": 222, "O1": 334, "O2": 239, "O3": 313},
    ("CYINIT", 0): {"CO0": 536, "CO1": 494, "CO2": 592, "CO3": 580,
                    "O0": 482, "O1": 598, "O2": 584, "O3": 642},
    ("S", 0): {"CO0": 340, "CO1": 433, "CO2": 512, "CO3": 508,
               "O0": 223, "O1": 400, "O2": 523, "O3": 582},
    ("S", 1): {"CO1": 469, "CO2": 548, "CO3": 528, "O1": 205, "O2": 558, "O3": 618},
    ("S", 2): {"CO2": 292, "CO3": 376, "O2": 226, "O3": 330},
    ("S", 3): {"CO3": 380, "O3": 227},
    ("DI", 0): {"CO0": 379, "CO1": 465, "CO2": 540, "CO3": 526, "O1": 407, "O2": 556, "O3": 615},
    ("DI", 1): {"CO1": 445, "CO2": 520, "CO3": 507, "O2": 537, "O3": 596},
    ("DI", 2): {"CO2": 356, "CO3": 398, "O3": 438},
    ("DI", 3): {"CO3": 385},
}  # fmt: skip
"""By input bit and output bit of a ``CARRY4``."""

_LUT_MEMORY = re.compile(r"RAM(32|64|128|256)(M|X\d[SD])")


def _cells() -> dict[str, CellTiming]:
    """Cells whose delays depend on nothing but their type."""
    found = {
        f"LUT{n}": CellTiming(tuple(Arc(f"I{i}", 0, "O", 0, LUT) for i in range(n)))
        for n in range(1, 7)
    }
    found["INV"] = CellTiming((Arc("I", 0, "O", 0, LUT),))
    found["CARRY4"] = CellTiming(
        tuple(
            Arc(source, bit, to[:-1], int(to[-1]), ps)
            for (source, bit), targets in CARRY.items()
            for to, ps in targets.items()
        )
    )
    for kind, first, second, select in (("MUXF7", 217, 223, 296), ("MUXF8", 104, 94, 273)):
        ways = (("I0", first), ("I1", second), ("S", select))
        found[kind] = CellTiming(tuple(Arc(port, 0, "O", 0, ps) for port, ps in ways))
    for kind in ("FDRE", "FDSE", "FDCE", "FDPE"):
        control = dict.fromkeys(("CE", "R", "S", "CLR", "PRE"), CONTROL_SETUP)
        found[kind] = CellTiming(launch={"Q": FLIP_FLOP}, capture={"D": D_SETUP, **control})
    for kind in ("SRL16E", "SRLC16E", "SRLC32E"):
        found[kind] = CellTiming(
            buses=tuple(Bus(a, "Q", MEMORY_READ) for a in ("A", "A0", "A1", "A2", "A3")),
            launch=dict.fromkeys(("Q", "Q15", "Q31"), SHIFTER),
            capture={"D": SHIFTER_SETUP, "CE": SHIFTER_ENABLE},
        )
    return found


_CELLS = _cells()


def slice_cell(cell: Cell) -> CellTiming | None:
    """Delays of a cell of a slice; None for other cells."""
    if _LUT_MEMORY.fullmatch(cell.kind):
        return lut_memory(cell)
    return _CELLS.get(cell.kind)


def lut_memory(cell: Cell) -> CellTiming:
    """Reads are combinational, by the address of each port; one of the addresses is written at."""
    written = {"ADDRD"} if cell.kind.endswith("M") else {"A", *(f"A{i}" for i in range(8))}
    buses, capture = [], {}
    for port in cell.inputs:
        if port.startswith(("A", "DPRA")):
            buses += [Bus(port, to, MEMORY_READ) for to in _read_by(port, cell.outputs)]
        if port in written or port.startswith(("DI", "WE")) or port == "D":
            capture[port] = MEMORY_SETUP
    launch = dict.fromkeys(cell.outputs, MEMORY)
    return CellTiming(buses=tuple(buses), launch=launch, capture=capture)


def _read_by(address: str, outputs: object) -> list[str]:
    """Outputs that an address port reads: ``DOA`` by ``ADDRA``, ``DPO`` by ``DPRA``."""
    if address.startswith("ADDR"):
        names = [f"DO{address[-1]}"]
    else:
        names = ["DPO"] if address.startswith("DPRA") else ["SPO", "O"]
    assert isinstance(outputs, dict)
    return [name for name in names if name in outputs]
