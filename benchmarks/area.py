"""Area of a board's default machine after Yosys ``synth_xilinx``.

Block RAM is counted from the memories' shapes: Yosys' own count depends on how it maps them.
"""

from __future__ import annotations

from typing import Any

from benchmarks.report import arguments, show
from flows.boards import BOARDS, find
from flows.boards.board import DEVICE
from flows.estimate.resources.synthesis import synthesise
from flows.machine.choose import machine_from
from flows.machine.default import default_machine
from hdl.emit import emit
from hdl.machine import Machine
from models.cost.memories import block_memories, block_rams
from models.machine.spec import MachineSpec


def area(board: str, spec: MachineSpec | None = None, rows: str | None = None) -> dict[str, Any]:
    """Figures of a board's machine."""
    found = find(board)
    available = {name: getattr(found.resources, field) for name, field in DEVICE.items()}
    spec = spec or machine_from(default_machine(found), rows, {})
    netlist = synthesise(emit(Machine(spec, found.family), "rowmac"), found.family)
    used = {
        "lut": netlist.lut,
        "ff": netlist.ff,
        "dsp": netlist.dsp,
        "bram36": block_rams(spec),
    }
    return {
        "board": board,
        "device": found.platform().device.upper(),
        "macs_per_cycle": spec.macs_per_cycle,
        **used,
        "available": available,
        "share": {name: used[name] / available[name] for name in used},
        "fits": all(used[name] <= available[name] for name in used),
        "bram36_by_memory": {m.name: m.half_blocks / 2 for m in block_memories(spec)},
        "lut_levels": netlist.levels,
        "yosys_ramb36": netlist.cells["RAMB36E1"] + netlist.cells["RAMB36E2"],
    }


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "",
        board={"default": "arty-z7-20", "choices": [board.name for board in BOARDS]},
        rows={"help": "row classes, such as fixed8:16,pot4:16"},
    )
    show(area(options.board, rows=options.rows), as_json=options.json)


if __name__ == "__main__":
    main()
