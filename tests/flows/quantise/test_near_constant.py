"""Inputs that hardly vary, whose variance is small beside the square of their mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.cli import main
from flows.onnx_import import load_network
from flows.quantise import read_float_network
from flows.quantise.float_layers import find_layers
from flows.quantise.moments import MomentSums
from flows.quantise.rounding import Feedback
from flows.quantise.runtime import Runner
from models.network.graph import run_graph
from tests.support.float_files import FloatFile

SHAPE = (48, 8, 8)


def _network(folder: Path) -> Path:
    """One 1x1 convolution, 48 -> 8."""
    file = FloatFile(SHAPE)
    return file.save(folder, file.conv("image", 48, 8, 1), name="near.onnx")


def _images(mean: float, spread: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(16, *SHAPE))
    return (mean + spread * noise).astype(np.float32)


@pytest.mark.parametrize(("mean", "spread"), [(1, 1e-4), (1000, 1e-2), (0.3, 0)])
def test_moments_are_those_of_exact_products(tmp_path: Path, mean: float, spread: float) -> None:
    (layer,) = find_layers(read_float_network(_network(tmp_path)))
    x = _images(mean, spread)
    sums = MomentSums(layer, len(x))
    for some in np.split(x, 4):
        sums.add(some, some)
    exact = x.transpose(0, 2, 3, 1).reshape(-1, SHAPE[0]).astype(np.float64)
    want = np.cov(exact.T, bias=True)
    found = sums.moments()
    assert found.second[0] == pytest.approx(want, rel=1e-3, abs=1e-3 * want.max() + 1e-30)
    assert found.cross[0] == pytest.approx(want, rel=1e-3, abs=1e-3 * want.max() + 1e-30)
    assert found.mean[0] == pytest.approx(exact.mean(axis=0), rel=1e-6)


@pytest.mark.parametrize("policy", ["int8", "int4", "rmsmp"])
def test_no_worse_than_nearest_rounding(tmp_path: Path, policy: str) -> None:
    x = _images(1, 1e-4)
    np.savez(tmp_path / "x.npz", x=x)
    network = _network(tmp_path)
    plain = Runner(read_float_network(network).model).outputs(x)
    loss = {}
    for rounding in ("nearest", "gptq"):
        made = tmp_path / f"{rounding}.onnx"
        more = ["--policy", policy, "--rounding", rounding, "--no-keep-ends", "-o", str(made)]
        assert main(["quantise", str(network), "--calibration", f"{tmp_path}/x.npz", *more]) == 0
        graph = load_network(made)
        codes = graph.tensors[graph.input].quantize(x.transpose(0, 2, 3, 1).astype(np.float64))
        result = graph.tensors[graph.output].dequantize(run_graph(graph, codes))
        loss[rounding] = np.square(result.transpose(0, 3, 1, 2) - plain).mean()
    assert loss["gptq"] <= loss["nearest"] * 1.001


def test_moments_that_were_lost_in_rounding() -> None:
    """Negative in a direction by more than what is added: levels are found all the same."""
    rng = np.random.default_rng(1)
    vectors = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    second = (vectors * np.linspace(-0.5, 1, 12)) @ vectors.T
    matrix = rng.normal(size=(3, 12))
    levels = Feedback(second).levels(["fixed8"] * 3, matrix, np.full(3, 0.02))
    assert np.abs(levels).max() <= 127


def test_images_whose_squares_are_no_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "x.npz", x=_images(0, 1e25))
    made = tmp_path / "made.onnx"
    calibration = ["--calibration", f"{tmp_path}/x.npz", "-o", str(made)]
    assert main(["quantise", str(_network(tmp_path)), "--policy", "int8", *calibration]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "must have finite squares on the calibration images" in last
    assert not made.exists()
