"""``rowmac simulate`` for somebody who looks for a fault: every tensor, waveform, seed."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.boards import find
from flows.cli import main
from flows.out_folder import build as building
from flows.run import simulation
from flows.run.execute import ImageResult, image_result, image_run
from tests.support.onnx_files import OnnxFile
from tests.support.specs import SMALL

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of two convolutions and a pooling on a small machine, and two images."""
    folder = tmp_path_factory.mktemp("small")
    file = OnnxFile(shape=(1, 1, 8, 8))
    x = file.quantise(file.add("Conv", file.quantise("image"), file.weights((4, 1, 3, 3))))
    x = file.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = file.quantise(file.add("Conv", file.quantise(x), file.weights((6, 4, 2, 2))))
    network = file.save(folder, x)
    random = np.random.default_rng(5)
    np.savez(folder / "images.npz", x=random.normal(size=(2, 1, 8, 8)).astype(np.float32))
    # The smallest there is: with waveforms, a simulator is compiled of this one only.
    machine = replace(SMALL, axi_width=64, lanes=2, tokens=1, rows=2, vector_lanes=1, row_group=2)
    building.build(network, find("arty-z7-20"), folder / "out", machine)
    return folder


def arguments(small: Path, *more: str) -> list[str]:
    inputs = ["--inputs", str(small / "images.npz"), "--count", "2"]
    return ["simulate", str(small / "out"), *inputs, *more]


def plant(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[ImageResult], None], image: int
) -> None:
    """Change what one image's run has left."""
    done: list[ImageResult] = []

    def changed(*given: Any) -> ImageResult:
        result = image_result(*given)
        if len(done) == image:
            change(result)
        done.append(result)
        return result

    monkeypatch.setattr(simulation, "image_result", changed)


def test_trace_waves_and_seed(
    small: Path, cache_home: Path, capsys: Capture, tmp_path: Path
) -> None:
    waves = tmp_path / "run.vcd"
    assert main(arguments(small, "--trace", "--waves", str(waves), "--seed", "7")) == 0
    said = capsys.readouterr()
    assert re.search(r"^all [3-9] tensors of every image equal those of the golden", said.out, re.M)
    assert re.search(r"second, memory stalling at random from seed 7$", said.out, re.MULTILINE)
    assert f"\nwaveform: {waves}\n" in said.out
    assert "mapping with a store of every tensor ..." in said.err
    text = waves.read_text()
    clock = re.search(r"\$scope module system \$end.*?\$var wire +1 (\S+) clk \$end", text, re.S)
    assert clock
    rising = len(re.findall(rf"^1{re.escape(clock.group(1))}$", text, re.MULTILINE))
    cycles = [int(x.replace(",", "")) for x in re.findall(r"equal, ([\d,]+) cycles", said.err)]
    assert len(cycles) == 2
    assert rising > sum(cycles)
    found = {}
    for seed in (7, 8, None):
        more = [] if seed is None else ["--seed", str(seed)]
        assert main(arguments(small, "--waves", str(waves), *more, "--json")) == 0
        found[seed] = [image["cycles"] for image in json.loads(capsys.readouterr().out)["images"]]
    assert max(found[None]) < min(found[7] + found[8])
    assert found[7] != found[8]


def test_a_wrong_tensor_is_named(
    small: Path,
    cache_home: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The last element of the second tensor of image 1, and one of a later tensor."""
    names: list[str] = []
    codes: list[int] = []

    def change(result: ImageResult) -> None:
        names.extend(result.trace)
        for name in names[1:3]:
            codes.append(int(result.trace[name].reshape(-1)[-1]))
            result.trace[name].reshape(-1)[-1] ^= 1

    plant(monkeypatch, change, image=1)
    waves = tmp_path / "run.vcd"
    assert main(arguments(small, "--trace", "--json", "--waves", str(waves))) == 1
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert facts["tensors_compared"] == len(names)
    assert (facts["mismatches"], facts["seed"], facts["waves"]) == (1, None, str(waves))
    good, bad = facts["images"]
    assert good["first_difference"] is None
    assert good["equal"] is True
    found = bad["first_difference"]
    assert (found["image"], found["tensor"], found["codes"]) == (1, names[1], 1)
    got, want = codes[0] ^ 1, codes[0]
    assert (found["verilog"], found["golden_machine"], found["integer_graph"]) == (got, want, want)
    element = found["element"]
    line = f"{names[1]!r} of layer {found['layer']!r} ({found['operator']}), 1 of {found['of']} "
    line += f"codes; element {element}: got {got}, want {want}"
    assert f"image 1: the first tensor that differs is {line}; " in said.err


def test_a_failed_run_leaves_its_waveform(
    small: Path, cache_home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        simulation, "image_run", lambda *given, **more: image_run(*given, **more, max_cycles=50)
    )
    waves = tmp_path / "run.vcd"
    assert main(arguments(small, "--trace", "--waves", str(waves))) == 1
    assert "no interrupt within 50 cycles" in capsys.readouterr().err
    assert waves.read_text().startswith("$version")


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--waves", "run.txt", "must be a file named .vcd or .fst, not 'run.txt'"),
        ("--waves", "vcd", "must be a file named .vcd or .fst, not 'vcd'"),
        ("--seed", "-1", "must be a whole number of 0 or more, not '-1'"),
        ("--seed", "one", "must be a whole number, not 'one'"),
    ],
)
def test_usage(capsys: Capture, option: str, value: str, text: str) -> None:
    assert main(["simulate", "out", "--inputs", "images.npz", f"{option}={value}"]) == 2
    line = f"rowmac: argument {option}: {text} (see rowmac simulate --help)\n"
    assert capsys.readouterr().err == line


def test_no_place_for_the_waveform(
    small: Path, cache_home: Path, capsys: Capture, tmp_path: Path
) -> None:
    """Before anything is simulated: that is the only line."""
    waves = tmp_path / "no such folder" / "run.vcd"
    assert main(arguments(small, "--waves", str(waves))) == 2
    line = f"rowmac: cannot write {waves}: No such file or directory\n"
    assert capsys.readouterr().err == line
