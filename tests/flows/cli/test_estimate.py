"""``rowmac estimate``."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.boards import find
from flows.cli import main
from flows.cli.show_estimate_resources import ERRORS
from flows.estimate.cycles.cycle_points import stated_error
from flows.estimate.cycles.cycles import BOUNDS
from flows.estimate.resources.machine_synthesis import SynthesisedMachine
from flows.machine.default import default_machine
from models.machine.memory import NEAR
from models.machine.spec import MachineSpec
from models.network.workloads import WORKLOADS

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist"
Capture = pytest.CaptureFixture[str]


def estimate(capsys: Capture, *arguments: str, status: int = 0) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    assert main(["estimate", *arguments, "--json"]) == status
    printed = capsys.readouterr()
    assert not printed.err
    found: dict[str, Any] = json.loads(printed.out)
    return found


@pytest.mark.parametrize("network", ["deit-tiny", str(EXAMPLES / "vit_int8.onnx")])
def test_layers_add_up_and_the_error_is_stated(network: str, capsys: Capture) -> None:
    arguments = ("--network", network, "--clock", "50", "--board", "zcu102")
    found = estimate(capsys, *arguments)["network"]
    layers = found["layers"]
    for name in ("cycles", "macs", "read_bytes", "written_bytes"):
        assert sum(one[name] for one in layers) == found[name]
    assert found["frames_per_second"] == pytest.approx(50e6 / found["cycles"])
    assert {one["bound"] for one in layers} <= set(BOUNDS)
    assert found["error"] == stated_error()


def test_a_machine_by_its_parameters(capsys: Capture) -> None:
    found = estimate(
        capsys, "--board", "zcu102", "--lanes", "16", "--rows", "fixed8:16,pot4:16", "--depth",
        "4608", "--network", "resnet-8",
    )  # fmt: skip
    assert found["macs_per_cycle"] == 16 * 4 * 32
    assert found["machine"]["classes"] == ["fixed8:16", "pot4:16"]
    plain = estimate(
        capsys, "--rows", "16", "--tokens", "4", "--network", "resnet-8", "--board", "zcu102"
    )
    assert plain["macs_per_cycle"] == 8 * 4 * 16


def test_less_bandwidth_is_slower_and_says_so(capsys: Capture) -> None:
    arguments = ("--network", "deit-tiny", "--board", "zcu102")
    fast = estimate(capsys, *arguments)["network"]
    slow = estimate(capsys, *arguments, "--bandwidth", "100")["network"]
    assert slow["cycles"] > fast["cycles"]
    assert slow["read_bytes"] == fast["read_bytes"]
    bound = {one["name"]: one["bound"] for one in slow["layers"]}
    assert bound["head"] == "weights (bandwidth)"
    assert "memory yields 100 MB/s" in slow["assumptions"]


def test_memory_s_latency_and_rate(capsys: Capture) -> None:
    """The board's is slower than a near one, and every figure says which it is of."""
    arguments = ("--network", "resnet-8", "--board", "zcu102")
    near = estimate(capsys, *arguments)["network"]
    own = estimate(capsys, *arguments, "--memory", "board")["network"]
    assert near["memory"] == NEAR.facts()
    assert own["memory"]["read_latency"] == find("zcu102").memory.latency
    assert near["cycles"] < own["cycles"] < 1.03 * near["cycles"]
    # A bus of 64 bits at 400 MHz takes more than the memory of the Arty yields.
    arguments = ("--network", "deit-tiny", "--clock", "400")
    near = estimate(capsys, *arguments)["network"]
    own = estimate(capsys, *arguments, "--memory", "board")["network"]
    assert own["cycles"] > near["cycles"]
    assert "memory yields 1,462 MB/s" in own["assumptions"]
    assert main(["estimate", "--network", "resnet-8", "--memory", "board"]) == 0
    said = capsys.readouterr().out
    assert "cycles an image with the memory board (estimate" in said
    assert "assumed: memory board: 90 cycles" in said


def test_resources_have_the_error_on_machines_held_out(capsys: Capture) -> None:
    found = estimate(capsys)["resources"]
    assert found["lut"]["share"] == pytest.approx(found["lut"]["estimate"] / 53_200)
    assert found["error"] == json.loads(ERRORS.read_text())
    assert main(["estimate"]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("LUT"))
    assert f"{100 * found['error']['lut_p95']:.1f} %" in line


def test_synthesised_figures_stand_beside_the_estimates(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    def synthesised(spec: MachineSpec, family: str, **others: object) -> SynthesisedMachine:
        assert (spec, family) == (default_machine(find("arty-z7-20")), "xc7")
        assert others["cache"] == tmp_path / "rowmac" / "synthesis"
        return SynthesisedMachine(lut=20_000, ff=10_000, dsp=170, bram36=89, parts=20, yosys="0.1")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(
        "flows.estimate.resources.machine_synthesis.synthesise_machine", synthesised
    )
    assert main(["estimate", "--synthesise", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["resources"]
    for name, value in (("lut", 20_000), ("ff", 10_000), ("dsp", 170)):
        assert found[name]["synthesised"] == value
        assert found[name]["error"] == pytest.approx(found[name]["estimate"] / value - 1)
    assert main(["estimate", "--synthesise"]) == 0
    text = capsys.readouterr().out
    assert "Yosys 0.1" in text
    assert "20,000" in text


def test_people_see_the_error_and_what_is_assumed(capsys: Capture) -> None:
    assert main(["estimate", "--network", "resnet-8"]) == 0
    text = capsys.readouterr().out
    error = stated_error()
    against = f"of {error['networks']} images simulated on {error['machines']} machines"
    assert "cycles an image with the memory near (estimate; within" in text
    assert against in text
    assert "error against Yosys by parts, 280 machines: median" in text
    assert "assumed: clock of 100 MHz: no place-and-route was run" in text


def test_layers_of_the_same_work_share_a_line(capsys: Capture) -> None:
    assert main(["estimate", "--network", "deit-tiny", "--board", "zcu102"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [x for x in lines if ".mlp1" in x]
    assert line.split()[:2] == ["block0.mlp1", "12"]
    assert len(lines) < 45


def test_what_the_device_does_not_have_is_told_with_status_1(capsys: Capture) -> None:
    found = estimate(capsys, "--rows", "fixed8:48", status=1)["resources"]
    assert found["dsp"]["share"] > 1
    assert not found["fits"]
    lacks = f"it takes {found['dsp']['estimate']} of 220 DSP slices"
    assert found["notes"][0] == f"this machine does not fit xc7z020clg400-1: {lacks}"
    assert main(["estimate", "--rows", "fixed8:48"]) == 1
    assert f"note: {found['notes'][0]}" in capsys.readouterr().out
    assert estimate(capsys)["resources"]["fits"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--network", "resnet-18", "--depth", "2048", "--part-sums", "0"],
         ("resnet-18: layer 'stage2.block0.conv2': K (padded to whole beats) must be at most 2048, "
         "not 2304; a machine with depth = 4608 would do")),
        (["--network", "deit-base", "--lanes", "8"],
         ("deit-base: layer 'patches': scratchpad must hold tensor 'block0.norm1.join' of 9456 "
         "words, not only 6976 free of 16384; a machine with bank_words = 16384 would do")),
        (["--network", "deit-tiny", "--rows", "pot4:16", "--board", "zcu102"],
         ("deit-tiny: layer 'block0.attention.scores': products of two activations must have at "
         "least 16 fixed-point rows to hold one of them, not pot4:16")),
        (["--network", "vgg"],
         f"network must be a file or one of {', '.join(WORKLOADS)}, not 'vgg'"),
        (["--network", "deit-bas"],
         f"network must be a file or one of {', '.join(WORKLOADS)}, not 'deit-bas'; did you "),
        (["--network", "/"], "cannot read /: Is a directory"),
        (["--network", "a\0b"], "argument --network: must be a path without NUL characters"),
        (["--network", "no.onnx"], "cannot read no.onnx: No such file or directory"),
        (["--rows", "fixed8"],
         "--rows: rows must be FORMAT:COUNT pairs such as fixed8:12,pot4:20, not 'fixed8'"),
        (["--lanes", "7"],
         "vector_lanes must be a divisor of rows = 8 and half a divisor of 14, not 8"),
        (["--lanes", "0"], "argument --lanes: must be a whole number of 1 or more, not '0' (see"),
        (["--clock", "-1"], "argument --clock: must be a number above 0, not '-1' (see"),
        (["--board", "zcu"], "board must be a known one, not 'zcu'; did you mean zcu102?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_a_line(
    arguments: list[str], message: str, capsys: Capture
) -> None:
    assert main(["estimate", *arguments]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith(f"rowmac: {message}")
    assert printed.err.count("\n") == 1


def test_layers_in_strips_and_in_parts_are_told(capsys: Capture) -> None:
    """An image larger than the scratchpad, and K larger than the weight rows."""
    assert main(["estimate", "--network", "resnet-18", "--json"]) == 0
    network = json.loads(capsys.readouterr().out)["network"]
    strips, parts = network["layers_in_strips"], network["layers_in_parts"]
    assert strips > 5
    assert parts > 5
    assert 0 < network["strip_bytes"] < network["read_bytes"] + network["written_bytes"]
    assert sum(one["cycles"] for one in network["layers"]) == network["cycles"]
    assert main(["estimate", "--network", "resnet-18"]) == 0
    printed = capsys.readouterr().out
    bytes_text = f"{network['strip_bytes']:,} bytes of activations go through memory"
    assert (
        f"  {strips} layers in strips, whose tensors exceed the scratchpad: {bytes_text}" in printed
    )
    assert f"  {parts} layers with K in parts, for which the weight rows are too short" in printed


def test_a_workload_has_no_weights_to_build(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "out"
    assert main(["build", "deit-tiny", "--board", "arty-z7-20", "-o", str(output)]) == 2
    assert capsys.readouterr().err == (
        "rowmac: network must be a file with weights, not the named workload deit-tiny (which "
        "rowmac estimate takes)\n"
    )
    assert not output.exists()
