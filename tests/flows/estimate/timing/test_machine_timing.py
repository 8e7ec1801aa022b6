"""From a machine to its report, and the floors of boards that are kept; Yosys is not run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from flows.boards import BOARDS, find
from flows.estimate.stale import code_mark
from flows.estimate.timing import machine_timing as module
from flows.estimate.timing.board_floors import FLOORS, board_floor, store_floor
from flows.estimate.timing.machine_timing import machine_timing, netlist_timing
from tests.flows.estimate.timing.small_netlists import Netlist
from tests.support.specs import SMALL

pytestmark = pytest.mark.slow

WIDE = Netlist().register("go")
for index in range(200):
    WIDE.register(f"r{index}", CE="go")


def test_a_machine_is_synthesised_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runs: list[str] = []

    def synthesised(verilog: str, family: str) -> dict[str, Any]:
        assert re.search(r"^module rowmac\b", verilog, re.MULTILINE)
        runs.append(family)
        return {"rowmac": WIDE.module}

    monkeypatch.setattr(module, "synthesised", synthesised)
    monkeypatch.setattr(module, "yosys_version", lambda: "0.1")
    first = machine_timing(SMALL, kept=tmp_path)
    assert first == netlist_timing(WIDE.module, "spread")
    assert machine_timing(SMALL, kept=tmp_path) == first
    assert runs == ["xc7"]
    plain = machine_timing(SMALL, nets="plain", kept=tmp_path)
    assert plain == netlist_timing(WIDE.module, "plain")
    assert plain["floor_ns"] < first["floor_ns"]
    monkeypatch.setattr(module, "yosys_version", lambda: "0.2")
    machine_timing(SMALL, kept=tmp_path)
    machine_timing(SMALL)
    assert runs == ["xc7"] * 4


def test_floors_of_boards_are_kept_with_what_they_are_of(tmp_path: Path) -> None:
    file = tmp_path / "floors.json"
    assert board_floor("arty-z7-20", file) is None
    store_floor("arty-z7-20", netlist_timing(WIDE.module), file)
    store_floor("zcu102", {"floor_ns": 5.0, "floor_mhz": 200.0}, file)
    found = board_floor("zcu102", file)
    assert found is not None
    assert (found["floor_ns"], found["floor_mhz"], found["stale"]) == (5.0, 200.0, False)
    assert found["hardware"] == code_mark("resources")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["measured"])
    assert board_floor("pynq-z2", file) is None
    assert board_floor("arty-z7-20", file) is not None
    file.write_text(file.read_text().replace(code_mark("resources"), "0" * 16))
    found = board_floor("zcu102", file)
    assert found is not None
    assert found["stale"]


def test_stored_floors_are_of_boards() -> None:
    floors = json.loads(FLOORS.read_text())
    assert floors
    assert floors.keys() <= {board.name for board in BOARDS}
    for name, floor in floors.items():
        assert find(name)
        assert floor["floor_mhz"] == round(1000 / floor["floor_ns"], 2)
