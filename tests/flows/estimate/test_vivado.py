"""Vivado's report and how it is called. The reports here are made up by hand, figures included."""

import stat
from pathlib import Path

import pytest

from flows.cli import main
from flows.errors import RunError, UserError
from flows.estimate.resources.vivado import vivado_utilisation
from flows.estimate.resources.vivado_report import Utilisation, read_utilisation
from models.machine.spec import MachineSpec

pytestmark = pytest.mark.slow

REPORTS = Path(__file__).parent / "vivado"
SLICES = Utilisation(lut=15_000, ff=12_345, dsp=170, bram36=80.5, version="2023.1")
SMALL = MachineSpec(lanes=4, tokens=1, rows=4, vector_lanes=2, depth=64, bank_words=512)


@pytest.fixture
def vivado(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, which does what the file given back says, in place of Vivado."""
    program = tmp_path / "bin" / "vivado"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def write(program: Path, body: str) -> None:
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_reports_of_both_families() -> None:
    assert read_utilisation((REPORTS / "slices.txt").read_text()) == SLICES
    assert read_utilisation((REPORTS / "clbs.txt").read_text()) == Utilisation(
        lut=16_000, ff=12_345, dsp=170, bram36=81, version="2024.2"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Slice LUTs*", "LUTs",
         "utilisation report of Vivado must have a row 'Slice LUTs' or 'CLB LUTs'"),
        ("| DSPs           |  170", "| DSPs           |    ?",
         "row 'DSPs' of Vivado's utilisation report must be a number, not '?'"),
    ],
)  # fmt: skip
def test_a_report_of_another_form(old: str, new: str, message: str) -> None:
    text = (REPORTS / "slices.txt").read_text()
    assert old in text
    with pytest.raises(RunError) as caught:
        read_utilisation(text.replace(old, new))
    assert str(caught.value) == message


def test_the_machine_is_synthesised_for_the_part(vivado: Path, tmp_path: Path) -> None:
    write(vivado, f'echo "$*" > {tmp_path}/call; cp machine.v "$5" {tmp_path}; '
                  f"cp {REPORTS / 'slices.txt'} utilisation.txt")  # fmt: skip
    assert vivado_utilisation(SMALL, "xc7", "xc7z020clg400-1") == SLICES
    assert (tmp_path / "call").read_text() == "-mode batch -nojournal -source synthesise.tcl\n"
    assert (
        "synth_design -top rowmac -part xc7z020clg400-1 -mode out_of_context"
        in (tmp_path / "synthesise.tcl").read_text()
    )
    assert "module rowmac(" in (tmp_path / "machine.v").read_text()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo start; echo 'ERROR: [Common 17-1] no licence'; echo end; exit 1",
         "Vivado stopped with status 1: ERROR: [Common 17-1] no licence"),
        ("exit 3", "Vivado stopped with status 3: it said nothing"),
        ("echo done", "Vivado wrote no utilisation report: done"),
    ],
)  # fmt: skip
def test_what_vivado_says_is_passed_on(vivado: Path, body: str, message: str) -> None:
    write(vivado, body)
    with pytest.raises(RunError) as caught:
        vivado_utilisation(SMALL, "xc7", "part")
    assert str(caught.value) == message


def test_without_vivado(vivado: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError):
        vivado_utilisation(SMALL, "xc7", "part")
    assert main(["estimate", "--vivado"]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err == (
        "rowmac: vivado must be on PATH for --vivado; --synthesise takes Yosys instead\n"
    )


def test_figures_of_vivado_stand_beside_the_estimates(
    vivado: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(vivado, f"cp {REPORTS / 'slices.txt'} utilisation.txt")
    small = ("--lanes", "4", "--tokens", "1", "--rows", "4", "--vector-lanes", "2", "--depth", "64")
    assert main(["estimate", "--vivado", *small]) == 0
    printed = capsys.readouterr()
    assert "Vivado: synthesis out of context" in printed.err
    head, _, *rows = printed.out.splitlines()[1:7]
    assert "Vivado 2023.1" in head
    lut = next(line for line in rows if line.startswith("LUT"))
    estimate = int(lut.split()[1].replace(",", ""))
    assert lut.split()[-2:] == ["15,000", f"{100 * (estimate / 15_000 - 1):.1f}"]
    assert next(line for line in rows if line.startswith("block RAM")).split()[-2] == "80.5"
