"""Static timing floor of whole machines: the slowest path of Yosys's netlist, placed ideally.

By the delays and the net model of ``docs/guides/timing.md``. Not an achieved clock: nothing is
placed or routed. Every machine is timed as one for a -1 part of
the 7 series.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.report import arguments, show
from flows.boards import BOARDS, find
from flows.estimate.timing.board_floors import store_floor
from flows.estimate.timing.machine_timing import machine_timing
from flows.estimate.timing.nets import MODELS
from flows.machine.around_macro import MacroOptions, macro_machine
from flows.machine.choose import machine_from
from flows.machine.default import default_machine
from flows.onnx_import import load_network
from models.machine.spec import MachineSpec

NETWORK = Path(__file__).parents[1] / "examples" / "fashion_mnist" / "resnet_int8.onnx"
SMALL = MachineSpec(lanes=4, tokens=1, rows=4, vector_lanes=1, depth=64, banks=2, bank_words=64,
                    param_entries=16, row_group=4, axi_width=32)  # fmt: skip


def _board(name: str, rows: str | None = None) -> MachineSpec:
    return machine_from(default_machine(find(name)), rows, {})


def _macro() -> MachineSpec:
    engine = MacroOptions(preset="relu-macro", calibration=Path())
    return macro_machine(find("arty-z7-20"), load_network(NETWORK), engine)


MACHINES: dict[str, Callable[[], MachineSpec]] = {
    "small": lambda: SMALL,
    "arty": lambda: _board("arty-z7-20"),
    "arty-plain": lambda: _board("arty-z7-20", "8"),
    "arty-fixed8": lambda: _board("arty-z7-20", "fixed8:16"),
    "arty-mixed": lambda: _board("arty-z7-20", "fixed8:16,pot4:16"),
    "relu-macro": _macro,
    "zcu102": lambda: _board("zcu102"),
}
"""By name: the boards' defaults, the Arty's with other rows, one around a macro, a small one."""
MOST_NS = 7.0
"""What the slowest path of any of them may take, as the docs say."""


def machine_names(text: str) -> list[str]:
    """Names with commas between; all of them if there is none."""
    names = text.split(",") if text else list(MACHINES)
    for name in names:
        if name not in MACHINES:
            raise argparse.ArgumentTypeError(
                f"machines must be of {', '.join(MACHINES)}, not {name!r}"
            )
    return names


def timing(names: list[str], nets: str = "spread") -> dict[str, dict[str, Any]]:
    """Report by machine (:func:`flows.estimate.timing.report.report`)."""
    return {name: machine_timing(MACHINES[name](), nets=nets) for name in names}


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "",
        store={"action": "store_true", "help": "keep floors of boards' default machines"},
        machines={"type": machine_names, "default": "", "help": f"of {','.join(MACHINES)}"},
        most={
            "type": float,
            "default": None,
            "metavar": "NS",
            "help": f"status 1 if a machine is slower ({MOST_NS:g} is what the docs promise)",
        },
        nets={"default": "spread", "choices": list(MODELS), "help": "delays of nets by fan-out"},
    )
    if options.store and options.nets != "spread":
        raise SystemExit(f"floors to store must be of --nets spread, not {options.nets}")
    found = timing(options.machines, options.nets)
    if options.store:
        _store(found)
    show(found if options.json else _readable(found), as_json=options.json)
    if slow := [name for name, one in found.items() if one["floor_ns"] > (options.most or 1e9)]:
        raise SystemExit(f"floor must be at most {options.most:g} ns, not so of {', '.join(slow)}")


def _store(found: dict[str, dict[str, Any]]) -> None:
    """Boards may share a default machine; one of rows of its own is nobody's."""
    for name, one in found.items():
        for board in BOARDS:
            if MACHINES[name]() == default_machine(board):
                store_floor(board.name, one)


def _readable(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Slowest paths as lines instead of objects, and one line for each unit."""
    return {
        name: one
        | {"worst": {f"{p['ns']:.3f} ns": f"{p['from']} -> {p['to']}" for p in one["worst"]}}
        | {"units": {unit: f"{u['floor_ns']:.3f} ns" for unit, u in one["units"].items()}}
        for name, one in found.items()
    }


if __name__ == "__main__":
    main()
