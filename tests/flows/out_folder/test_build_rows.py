"""Machines with row classes from the command line: what is built, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.cli import main
from flows.out_folder.build import load_built
from models.machine.spec import MachineSpec

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[3] / "examples" / "fashion_mnist"
Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, network: str, rows: str, output: Path, *more: str) -> tuple[int, str, str]:
    arguments = [str(EXAMPLES / network), "--board", "arty-z7-20", "--rows", rows]
    status = main(["build", *arguments, "-o", str(output), *more])
    out, err = capsys.readouterr()
    return status, out, err


def test_rows_of_a_policy(tmp_path: Path, capsys: Capture) -> None:
    """The manifest holds the rows, and the folder can be read again."""
    output = tmp_path / "out"
    network, rows = "quantised/resnet_rmsmp.onnx", "fixed8:8,pot4:8"
    status, out, err = run(capsys, network, rows, output, "--json")
    assert (status, err) == (0, "")
    manifest = json.loads(out)
    assert manifest["machine"]["spec"]["classes"] == [["fixed8", 8], ["pot4", 8]]
    assert manifest["machine"]["macs_per_cycle"] == 256
    assert 0.5 < manifest["program"]["row_use"]["pot4"] <= 1
    assert "DSP48E1" in (output / "rowmac.v").read_text()
    assert load_built(output).mapped.spec.classes == (("fixed8", 8), ("pot4", 8))


@pytest.mark.parametrize(
    ("network", "rows", "text"),
    [
        (
            "quantised/resnet_rmsmp.onnx",
            "pot4:16",
            "of format fixed8 must fit one of the machine's row classes (pot4), not have",
        ),
        (
            "quantised/vit_vaqf.onnx",
            "fixed4:16",
            "must fit one of the machine's row classes (fixed4), not have",
        ),
        (
            "vit_int8.onnx",
            "fixed8:16",
            "must be 0 in a product of two activations on a machine with row classes, not ",
        ),
        ("resnet_int8.onnx", "fixed9:16", "--rows: row format must be one of fixed2, fixed3, "),
        (
            "resnet_int8.onnx",
            "fixed8=16",
            "--rows: rows must be FORMAT:COUNT pairs such as fixed8:12,pot4:20, not 'fixed8=16'",
        ),
        (
            "resnet_int8.onnx",
            "fixed8:12",
            "vector_lanes must be a divisor of rows = 12 and half a divisor of 16, not 8",
        ),
    ],
)
def test_refused(network: str, rows: str, text: str, tmp_path: Path, capsys: Capture) -> None:
    status, out, err = run(capsys, network, rows, tmp_path / "new" / "out")
    assert status == 2
    assert out == ""
    assert err.startswith("rowmac: ")
    assert text in err
    assert err.count("\n") == 1
    assert not (tmp_path / "new").exists()


SMALL = ("--lanes", "4", "--rows", "4", "--vector-lanes", "4", "--depth", "1024")


def test_numbers_of_the_machine(tmp_path: Path, capsys: Capture) -> None:
    """As ``rowmac estimate`` takes them; the folder is the small machine's."""
    folder = tmp_path / "out"
    network = str(EXAMPLES / "resnet_int8.onnx")
    given = ("--bank-words", "8192", "--axi-width", "64", "--json")
    arguments = ("build", network, "--board", "arty-z7-20", "-o", str(folder), *SMALL, *given)
    assert main([*arguments]) == 0
    manifest = json.loads(capsys.readouterr().out)
    spec = manifest["machine"]["spec"]
    assert (spec["lanes"], spec["rows"], spec["depth"]) == (4, 4, 1024)
    assert manifest["machine"]["macs_per_cycle"] == 32
    assert load_built(folder).mapped.spec == MachineSpec(**spec)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (("--axi-width", "128"), "axi_width must be 64, the memory port of arty-z7-20, not 128"),
        (
            ("--lanes", "3"),
            "vector_lanes must be a divisor of rows = 8 and half a divisor of 6, not 8",
        ),
        (("--die", "3"), "--die must come with --engine cim:PRESET"),
        (("--rows", ""), "--rows must have a value, such as fixed8:12,pot4:20 or 16"),
        (("--rows", "5"), "rows must be a divisor of tokens * lanes = 16, not 5"),
    ],
)
def test_refused_numbers(
    given: tuple[str, ...], text: str, tmp_path: Path, capsys: Capture
) -> None:
    network = str(EXAMPLES / "resnet_int8.onnx")
    out = tmp_path / "new" / "out"
    assert main(["build", network, "--board", "arty-z7-20", "-o", str(out), *given]) == 2
    assert capsys.readouterr().err == f"rowmac: {text}\n"
    assert not out.parent.exists()
