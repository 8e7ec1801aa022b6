"""``python -m benchmarks.timing``; Yosys is not run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import timing
from flows.estimate.timing import board_floors
from flows.estimate.timing.machine_timing import netlist_timing
from models.machine.spec import MachineSpec
from tests.flows.estimate.timing.small_netlists import Netlist

Capture = pytest.CaptureFixture[str]
REPORT = netlist_timing(Netlist().register("load.a").register("store.b", "load.a").module)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[MachineSpec]:
    """Machines in the order in which they were timed."""
    machines: list[MachineSpec] = []

    def machine_timing(spec: MachineSpec, **others: object) -> dict[str, Any]:
        machines.append(spec)
        return REPORT

    monkeypatch.setattr(timing, "machine_timing", machine_timing)
    return machines


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["timing", *arguments])
    timing.main()


def test_one_object_by_machine(
    timed: list[MachineSpec], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    run(monkeypatch, "--machines", "small,arty-fixed8", "--json")
    assert json.loads(capsys.readouterr().out) == {"small": REPORT, "arty-fixed8": REPORT}
    assert timed == [timing.MACHINES[name]() for name in ("small", "arty-fixed8")]
    run(monkeypatch, "--machines", "small")
    text = capsys.readouterr().out
    assert "1.000 ns  load.a -> store.b" in text
    assert "floor_ns" in text


def test_a_slow_machine_is_told(
    timed: list[MachineSpec], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """After the report, with a status that stops a pipeline."""
    floor = REPORT["floor_ns"]
    run(monkeypatch, "--machines", "small", "--most", str(floor), "--json")
    assert json.loads(capsys.readouterr().out) == {"small": REPORT}
    with pytest.raises(SystemExit, match=r"^floor must be at most 0\.5 ns, not so of small, arty$"):
        run(monkeypatch, "--machines", "small,arty", "--most", "0.5", "--json")
    assert json.loads(capsys.readouterr().out) == {"small": REPORT, "arty": REPORT}


def test_names_are_of_the_list() -> None:
    assert timing.machine_names("") == list(timing.MACHINES)
    with pytest.raises(argparse.ArgumentTypeError, match="^machines must be of small, arty, .*'x'"):
        timing.machine_names("arty,x")


def test_every_machine_is_one() -> None:
    specs = [make() for make in timing.MACHINES.values()]
    assert len(set(specs)) == len(specs)
    assert [name for name, make in timing.MACHINES.items() if make().macro] == ["relu-macro"]


def test_floors_of_default_machines_are_stored(
    timed: list[MachineSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "floors.json"
    monkeypatch.setattr(
        timing, "store_floor", lambda board, one: board_floors.store_floor(board, one, file)
    )
    run(monkeypatch, "--machines", "small,arty,arty-fixed8", "--store", "--json")
    assert sorted(json.loads(file.read_text())) == ["arty-z7-20", "pynq-z2"]
    with pytest.raises(SystemExit, match="^floors to store must be of --nets spread, not plain$"):
        run(monkeypatch, "--machines", "arty", "--store", "--nets", "plain")
