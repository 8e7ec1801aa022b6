"""Machines around a macro from the command line: what is built, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from flows.cli import main
from flows.errors import UserError
from flows.out_folder.build import load_built
from flows.run.execute import golden_run
from flows.run.trace import tensors_of
from flows.work.inputs import read_inputs
from models.network.graph import run_graph
from tests.support.onnx_files import OnnxFile

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[3] / "examples" / "fashion_mnist"
CNN = str(EXAMPLES / "resnet_int8.onnx")
SAMPLES = str(EXAMPLES / "samples.npz")
Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, output: Path, *more: str) -> tuple[int, str, str]:
    status = main(["build", CNN, "--board", "arty-z7-20", "-o", str(output), *more])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.usefixtures("few_known_counts")
def test_folder(tmp_path: Path, capsys: Capture) -> None:
    """What was chosen is in the folder, which can be read again and runs; a change is noticed."""
    output = tmp_path / "out"
    more = ("--engine", "cim:relu-macro", "--calibration", SAMPLES, "--die", "3", "--recalibrate")
    status, out, err = run(capsys, output, *more, "--json")
    assert (status, err) == (0, "")
    manifest = json.loads(out)
    macro = manifest["machine"]["spec"]["macro"]
    assert (macro["preset"], macro["die"], macro["slices"]) == ("relu-macro", 3, 1)
    facts = json.loads((output / "macro.json").read_text())
    assert facts["windows"].keys() == facts["fitted"].keys()
    built = load_built(output)
    images = read_inputs(Path(SAMPLES), built.graph.tensors[built.graph.input], 2).codes
    want = built.golden(images)
    for index, image in enumerate(images):
        got, _ = golden_run(built.mapped, image, number=index)
        assert np.array_equal(got, want[index])
    # Mapped with a store of every tensor it is the same network, run by run.
    _, tensors = golden_run(built.traced().mapped, images[1], number=1)
    layers = tensors_of(built, images[1], 1)
    assert len(tensors) > 10
    for tensor, codes in tensors.items():
        assert np.array_equal(codes, layers[tensor]), tensor
    name = next(iter(facts["windows"]))
    others = ({}, *({**facts["windows"], name: one} for one in ([0, 0, 1], [1, 0, 0], [1, 0])))
    for wrong in others:
        changed = {**facts, "windows": wrong}
        (output / "macro.json").write_text(json.dumps(changed))
        with pytest.raises(UserError, match="must be as it was built; build the folder again"):
            load_built(output)


@pytest.mark.parametrize("preset", ["forms:4", "pim-qat:native"])
def test_beats_as_deep_as_a_tile(preset: str, tmp_path: Path) -> None:
    """A network shallower than two of them; its program is the network on the macro's golden."""
    file = OnnxFile(shape=(1, 3, 8, 8))
    x = file.quantise(file.add("Conv", file.quantise("image"), file.weights((5, 3, 1, 1))))
    network = file.save(tmp_path, file.quantise(file.add("Conv", x, file.weights((6, 5, 1, 1)))))
    images = np.random.default_rng(4).normal(size=(6, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=images)
    engine = ["--engine", f"cim:{preset}", "--calibration", str(tmp_path / "x.npz")]
    # Steps of some counts: with one, so small a network may have no error at all.
    engine += ["--adc-bits", "3", "--rule", "full"]
    output = tmp_path / "out"
    build = ["build", str(network), "--board", "arty-z7-20", *engine, "--recalibrate"]
    assert main([*build, "-o", str(output)]) == 0
    built = load_built(output)
    codes = read_inputs(tmp_path / "x.npz", built.graph.tensors[built.graph.input]).codes
    want = built.golden(codes)
    assert (want != run_graph(built.graph, codes)).any(), "errors must be there"
    for index, image in enumerate(codes):
        got, _ = golden_run(built.mapped, image, number=index)
        assert np.array_equal(got, want[index])


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            ("--engine", "analog"),
            "--engine must be digital or cim:PRESET, such as cim:relu-macro, not 'analog'",
        ),
        (("--engine", "cim:relu-macro"), "--engine cim:PRESET must come with --calibration X.npz"),
        (
            ("--engine", "cim:nobody", "--calibration", SAMPLES),
            "--engine: preset must be one of cap-ram, ",
        ),
        (
            ("--engine", "cim:cap-ram", "--calibration", SAMPLES, "--adc-bits", "11"),
            "--engine: ADC bits must be 1 to 10, not 11",
        ),
        (
            ("--engine", "cim:cap-ram", "--calibration", SAMPLES, "--die", "-1"),
            "--engine: die must be 0 to 2**31 - 1, not -1",
        ),
        (
            ("--engine", "cim:cap-ram", "--calibration", SAMPLES, "--rows", "fixed8:16"),
            "--rows must be of a machine with --engine digital",
        ),
        (
            ("--engine", "cim:cap-ram", "--calibration", SAMPLES, "--rule", "half"),
            "--rule must be one of full, unit, calibrated, snr, not 'half'",
        ),
        (
            ("--engine", "cim:cap-ram", "--calibration", CNN),
            "resnet_int8.onnx must be",
        ),
    ],
)
def test_refusals(more: tuple[str, ...], text: str, tmp_path: Path, capsys: Capture) -> None:
    """One line, and no folder."""
    output = tmp_path / "out"
    status, out, err = run(capsys, output, *more)
    assert (status, out) == (2, "")
    assert err.startswith("rowmac: ")
    assert text in err
    assert err.count("\n") == 1
    assert not output.exists()
