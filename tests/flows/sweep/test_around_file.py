"""Sweeps around the machine of a file, and the machine that sweep and report write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.boards import find
from flows.cli import main
from flows.errors import UserError
from flows.machine.machine_file import MachineFile, read_machine, write_machine
from flows.sweep.around_file import around_file, file_of
from flows.sweep.definition import Definition
from models.cim.choice import MacroChoice
from models.machine.spec import MachineSpec

SPEC = MachineSpec(tokens=4, classes=(("fixed8", 4), ("pot4", 4)))  # type: ignore[arg-type]
FILE = MachineFile(board=find("arty-z7-20"), clock_mhz=80, spec=SPEC)
Capture = pytest.CaptureFixture[str]


def test_points_have_what_they_do_not_set_from_the_file() -> None:
    found = [*around_file(Definition({"lanes": [4, 8]}, [{"clock_mhz": 50.0, "rows": "8"}]), FILE)]
    assert [point["lanes"] for point in found] == [4, 8, 8]
    assert [point["rows"] for point in found] == ["fixed8:4,pot4:4"] * 2 + ["8"]
    assert [point["clock_mhz"] for point in found] == [80, 80, 50]
    assert file_of(found[1]) == FILE


def test_a_policy_has_the_number_of_rows() -> None:
    (point,) = around_file(Definition({}, [{"policy": "rmsmp"}]), FILE)
    assert point["rows"] == "8"


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        (Definition({"engine": ["digital", "cim:relu-macro"]}),
         "--machine must be a digital machine in a sweep, not one with a macro"),
        (Definition({"lanes": [4, 8, 16], "board": ["arty-z7-20", "zcu102"]}),
         ("board must be arty-z7-20, as in the machine's file, not zcu102: its memory port has 128 "
          "bits, and axi_width is 64")),
        (Definition({}, [{"board": "zcu"}]), "board must be a known one, not 'zcu'"),
    ],
)  # fmt: skip
def test_refused(definition: Definition, text: str) -> None:
    with pytest.raises(UserError) as error:
        around_file(definition, FILE)
    assert str(error.value).startswith(text)


def test_other_boards_with_their_width() -> None:
    boards = ["pynq-z2", "zcu102"]
    fits = Definition({"board": boards[:1]}, [{"board": boards[1], "axi_width": 128}])
    assert [point["board"] for point in around_file(fits, FILE)] == boards


def test_a_macro_is_refused() -> None:
    spec = MachineSpec(
        tokens=1, lanes=16, rows=16, vector_lanes=8, depth=576,
        macro=MacroChoice(preset="relu-macro", columns=16, slices=1),
    )  # fmt: skip
    macro = MachineFile(board=find("arty-z7-20"), clock_mhz=80, spec=spec)
    with pytest.raises(UserError, match="must be a digital machine in a sweep"):
        around_file(Definition({"lanes": [4]}), macro)


def test_sweep_and_report_write_the_machine(tmp_path: Path, capsys: Capture) -> None:
    file, store = tmp_path / "machine.toml", tmp_path / "s.sqlite"
    write_machine(file, FILE)
    swept, chosen = tmp_path / "swept.toml", tmp_path / "chosen.toml"
    arguments = ["--machine", str(file), "--set", "lanes=4,8", "--set", "network=resnet-8"]
    sweep = ["sweep", *arguments, "-o", str(store), "--jobs", "1", "--json"]
    assert main([*sweep, "--write-machine", str(swept)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["machine_file"] == str(swept)
    best = result["fronts"][0]["points"][0]["point"]
    assert read_machine(swept).spec.lanes == best["lanes"]
    assert read_machine(swept).clock_mhz == 80
    report = ["report", str(store), "-o", str(tmp_path / "page.html")]
    assert main([*report, "--write-machine", str(chosen)]) == 0
    assert f"machine: {chosen}\n" in capsys.readouterr().out
    assert read_machine(chosen) == read_machine(swept)
    assert main([*report, "--write-machine", str(store)]) == 2
    said = f"--write-machine must be another file than the store, not {store}"
    assert capsys.readouterr().err.endswith(f"rowmac: {said}\n")
    assert main([*report, "--write-machine", str(chosen), "--choose", "1e8"]) == 2
    assert capsys.readouterr().err.endswith(
        "rowmac: --write-machine must be of a store with one chosen machine, not with none "
        "(--network takes the points of one network)\n"
    )


def test_a_machine_of_several_fronts_or_of_none(tmp_path: Path, capsys: Capture) -> None:
    store, machine = str(tmp_path / "s.sqlite"), tmp_path / "machine.toml"
    arguments = ["sweep", "-o", store, "--write-machine", str(machine), "--jobs", "1", "--json"]
    assert main([*arguments, "--set", "network=resnet-8/ds-cnn"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == (
        "--write-machine must be of one network on one board, not of 2 pairs"
    )
    assert main([*arguments, "--set", "network=resnet-8", "--set", "lanes=7"]) == 2
    result = json.loads(capsys.readouterr().out)
    assert result["error"] == (
        f"no machine to write to {machine}: no point with a network fits"
    )  # fmt: skip
    assert result["points"] == 1
    assert not machine.exists()
