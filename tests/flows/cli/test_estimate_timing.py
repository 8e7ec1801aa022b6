"""``rowmac estimate --timing``: a floor beside the clock, and no word of an assumed clock."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from flows.estimate.timing.machine_timing import netlist_timing
from models.machine.spec import MachineSpec
from tests.flows.estimate.timing.small_netlists import Netlist

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What every machine's report is: of one path, of 0.35 + 0.55 + 0.1 ns."""
    found = netlist_timing(Netlist().register("load.a").register("store.b", "load.a").module)

    def timed(spec: MachineSpec, **others: object) -> dict[str, Any]:
        assert isinstance(spec, MachineSpec)
        assert others == {"kept": tmp_path / "rowmac" / "timing"}
        return found

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("flows.estimate.timing.machine_timing.machine_timing", timed)
    return found


def test_the_floor_is_part_of_the_result(report: dict[str, Any], capsys: Capture) -> None:
    assert main(["estimate", "--timing", "--network", "resnet-8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["timing"] == {"as_part_of": "xc7 -1", "own_family": True, **report}
    assert found["clock_mhz"] == 100
    assert "assumed_clock_mhz" not in found
    assert not [one for one in found["network"]["assumptions"] if "clock" in one]


def test_without_it_the_clock_is_assumed(capsys: Capture) -> None:
    assert main(["estimate", "--network", "resnet-8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["assumed_clock_mhz"] == 100
    assert not {"timing", "clock_mhz"} & found.keys()
    assert "clock of 100 MHz: no place-and-route was run" in found["network"]["assumptions"]


@pytest.mark.parametrize(
    ("clock", "said"),
    [
        ("1001", "static floor 1.00 ns = 1000 MHz: the clock of 1001 MHz is NOT met even with"),
        ("1000", "static floor 1.00 ns = 1000 MHz with ideal placement: the clock of 1000 MHz may"),
    ],
)
def test_people_are_told_whether_the_clock_is_out_of_reach(
    clock: str, said: str, report: dict[str, Any], capsys: Capture
) -> None:
    assert main(["estimate", "--timing", "--clock", clock, "--network", "resnet-8"]) == 0
    text = capsys.readouterr().out
    assert said in text
    assert f"GOPS at {clock} MHz (static floor 1000 MHz)" in text
    assert "slowest: load.a -> store.b" in text
    assert "assumed: clock" not in text
    assert "an assumed" not in text
    assert "this board's family" not in text


def test_another_family_is_told(report: dict[str, Any], capsys: Capture) -> None:
    assert main(["estimate", "--timing", "--board", "zcu102"]) == 0
    said = "as a part of xc7 -1: there are no delays of this board's family"
    assert said in capsys.readouterr().out


def test_a_macro_has_no_floor_here(capsys: Capture) -> None:
    assert main(["estimate", "--timing", "--engine", "cim:relu-macro"]) == 2
    assert capsys.readouterr().err == (
        "rowmac: --timing must be of a machine with --engine digital\n"
    )
