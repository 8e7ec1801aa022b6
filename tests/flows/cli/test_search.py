"""``rowmac search``."""

import json
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main, show_search
from flows.estimate.cycles.cycle_points import stated_search_error
from flows.search import find
from flows.search.find import Found
from flows.search.precisions import PRECISIONS, Mixture, Precision
from models.machine.spec import MachineSpec

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist"
Capture = pytest.CaptureFixture[str]


def search(capsys: Capture, *arguments: str, status: int = 0) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    assert main(["search", *arguments, "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_machine_that_is_found_is_what_estimate_says(capsys: Capture) -> None:
    found = search(
        capsys, "--network", "resnet-8", "--board", "arty-z7-20", "--fps", "1000", "--top", "2",
        "--bandwidth", "700",
    )  # fmt: skip
    assert found["met"]
    assert len(found["machines"]) == 2
    for one in found["machines"]:
        assert main([*shlex.split(one["command"])[1:], "--json"]) == 0
        estimate = json.loads(capsys.readouterr().out)
        assert estimate["machine"] == one["machine"]
        assert estimate["network"]["cycles"] == one["cycles"]
        assert estimate["network"]["frames_per_second"] == pytest.approx(one["fps"])
        for name in ("lut", "ff", "dsp", "bram36"):
            assert estimate["resources"][name] == one["resources"][name]
            assert one["resources"][name]["share"] <= found["fill"] == 0.9


def test_keys_and_values_narrower_than_other_activations_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    narrow = [one for one in PRECISIONS if one.mixture == Mixture("fixed4")]
    arguments = ("--network", "deit-tiny", "--board", "zcu102", "--fps", "20")
    for precision, told in ((narrow[0], True), (narrow[-1], False)):
        only = partial(find.search, precisions=[precision])
        with monkeypatch.context() as patch:
            patch.setattr(show_search, "search", only)
            notes = search(capsys, *arguments)["machines"][0]["notes"]
        assert ("keys and values of attention must be codes of 4 bits" in notes) is told


def test_a_file_counts_by_its_shapes(capsys: Capture) -> None:
    arguments = ("--board", "arty-z7-20", "--fps", "300", "--clock", "50", "--fill", "0.5")
    found = search(capsys, "--network", str(EXAMPLES / "resnet_int8.onnx"), *arguments)
    assert found["assumed_clock_mhz"] == 50
    assert any("shapes" in line for line in found["assumptions"])


def test_a_file_that_must_be_quantised_first_is_told_and_the_command_works(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """onnxruntime's default has zero points in products of activations."""
    few = partial(find.search, precisions=PRECISIONS[:1])
    monkeypatch.setattr(show_search, "search", few)
    file = str(EXAMPLES / "vit_int8.onnx")
    arguments = ("--network", file, "--board", "arty-z7-20", "--fps", "200")
    (one,) = search(capsys, *arguments)["machines"]
    (note,) = [x for x in one["notes"] if x.startswith("the file must be quantised for this mach")]
    rows = one["machine"]["classes"][0]
    assert main(["build", file, "--board", "arty-z7-20", "--rows", rows, "-o", "unused"]) == 2
    reason = capsys.readouterr().err.removeprefix(f"rowmac: {file}: ").strip()
    assert reason.endswith("or take a machine without row classes")
    assert note.endswith(reason)
    assert file not in one["command"]
    assert main(shlex.split(one["command"])[1:]) == 0


def test_rows_of_a_file_that_are_not_in_the_machines_ratio_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    mixed = [one for one in PRECISIONS if one.mixture == Mixture("fixed8", "pot4")]
    monkeypatch.setattr(show_search, "search", partial(find.search, precisions=mixed[:1]))
    file = str(EXAMPLES / "resnet_int8.onnx")
    arguments = ("--network", file, "--board", "arty-z7-20", "--fps", "1700")
    (one,) = search(capsys, *arguments)["machines"]
    assert len(one["machine"]["classes"]) == 2
    assert main([*shlex.split(one["command"])[1:], "--json"]) == 0
    cycles = json.loads(capsys.readouterr().out)["network"]["cycles"]
    assert cycles > one["cycles"]
    said = f"the file as it is takes {cycles:,} cycles on this machine: its rows are not in"
    assert any(note.startswith(said) for note in one["notes"])


def test_a_mixture_of_one_format_is_called_by_that() -> None:
    spec = MachineSpec().with_classes([("binary", 8)])
    one = Found(
        precision=Precision(Mixture("fixed8", "binary"), 8), spec=spec, ratio=1.0, cycles=1,
        fps=1.0, fullest=0.5,
    )  # fmt: skip
    assert one.name == "W1A8 (binary)"
    assert one.precision.name == "W8+W1, A8 (fixed8 + binary)"


def test_no_machine_is_status_1_with_the_reason_and_the_fastest(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    few = partial(find.search, precisions=PRECISIONS[:2])
    monkeypatch.setattr(show_search, "search", few)
    arguments = ("--network", "ds-cnn", "--board", "arty-z7-20", "--fps", "1e7")
    found = search(capsys, *arguments, status=1)
    assert not found["met"]
    assert found["machines"] == []
    assert found["fastest"]["fps"] == max(one["fps"] for one in found["tried"])
    assert main(["search", *arguments]) == 1
    text = capsys.readouterr().out
    for line in found["limits"]:
        assert line in text


def test_people_see_what_was_tried_and_what_is_assumed(capsys: Capture) -> None:
    assert main(["search", "--network", "resnet-8", "--board", "zcu102", "--fps", "2000"]) == 0
    printed = capsys.readouterr()
    assert "is the first that meets the rate (estimates)" in printed.out
    assert "assumed: clock of 150 MHz: no place-and-route was run" in printed.out
    assert "assumed: order of precisions is a convention: no accuracy was measured" in printed.out
    own = stated_search_error()
    assert f"% of {own['networks']} random networks simulated on machines that" in printed.out
    assert "searching precisions" in printed.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fps": "0"}, "argument --fps: must be a number above 0, not '0' (see"),
        ({"fps": "fast"}, "argument --fps: must be a number above 0, not 'fast' (see"),
        ({"fill": "1.5"}, "argument --fill: must be above 0 and at most 1, not '1.5' (see"),
        ({"fill": "nan"}, "argument --fill: must be above 0 and at most 1, not 'nan' (see"),
        ({"top": "0"}, "argument --top: must be a whole number of 1 or more, not '0' (see"),
        ({"clock": "-5"}, "argument --clock: must be a number above 0, not '-5' (see"),
        ({"board": "zcu"}, "board must be a known one, not 'zcu'; did you mean zcu102?"),
        ({"network": "deit-bas"}, "network must be a file or one of deit-tiny,"),
        ({"network": "no.onnx"}, "cannot read no.onnx: No such file or directory"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    change: dict[str, str], message: str, capsys: Capture
) -> None:
    given = {"network": "resnet-8", "board": "zcu102", "fps": "10"} | change
    assert main(["search", *(f"--{name}={value}" for name, value in given.items())]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith(f"rowmac: {message}")
    assert printed.err.count("\n") == 1
