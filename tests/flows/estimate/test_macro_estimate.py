"""Networks on machines around a macro: what does not fit is not estimated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.boards import find
from flows.cli import main
from flows.errors import UserError
from flows.estimate.cycles.macro_estimate import estimate_macro
from tests.support.onnx_files import OnnxFile

CNN = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist" / "resnet_int8.onnx"
BOARD = find("arty-z7-20")
Capture = pytest.CaptureFixture[str]


def widening(folder: Path, channels: int) -> Path:
    """Two layers on an image of 64 x 64, the second with so many results a position."""
    file = OnnxFile(shape=(1, 8, 64, 64))
    x = file.quantise(file.add("Conv", file.quantise("image"), file.weights((8, 8, 1, 1))))
    x = file.add("Conv", x, file.weights((channels, 8, 1, 1)), name="widen")
    return file.save(folder, file.quantise(x))


@pytest.mark.slow
@pytest.mark.usefixtures("few_known_counts")
@pytest.mark.parametrize(("channels", "fits"), [(32, True), (128, False)])
def test_build_agrees_on_what_fits(
    channels: int, fits: bool, tmp_path: Path, capsys: Capture
) -> None:
    network = widening(tmp_path, channels)
    images = np.random.default_rng(0).normal(size=(2, 8, 64, 64)).astype(np.float32)
    np.savez(tmp_path / "images.npz", x=images)
    engine = ["--engine", "cim:relu-macro", "--calibration", str(tmp_path / "images.npz")]
    build = ["build", str(network), "--board", BOARD.name, *engine, "-o", str(tmp_path / "out")]
    assert main(build) == (0 if fits else 2)
    assert fits or "scratchpad must hold tensor" in capsys.readouterr().err
    if fits:
        assert estimate_macro(network, BOARD, "relu-macro").cycles > 0
        return
    with pytest.raises(UserError) as error:
        estimate_macro(network, BOARD, "relu-macro")
    # A word holds 16 channels: one for the layer's input and eight for its result, a position.
    words = 64 * 64 * (1 + 8)
    assert str(error.value) == (
        f"banks * bank_words must be at least {words} for network on this machine, not 16384"
    )


def test_skipped_zeros_are_not_estimated() -> None:
    """Their cycles are in the images; the macro without skipping is the upper bound."""
    with pytest.raises(UserError) as error:
        estimate_macro(CNN, BOARD, "forms:4")
    assert str(error.value) == (
        "--engine must be one whose cycles do not depend on images, such as "
        "cim:forms:4:unskipped (an upper bound), not cim:forms:4"
    )
    assert estimate_macro(CNN, BOARD, "forms:4:unskipped").cycles > 0


def test_conversions_are_of_all_columns() -> None:
    found = estimate_macro(CNN, BOARD, "pim-qat", 5)
    assert (found.macro.preset, found.macro.adc_bits) == ("pim-qat", 5)
    layers = sum(layer.conversions for layer in found.layers)
    assert found.conversions == found.macro.columns * layers > 0
    assert found.fps(200) == 2 * found.fps(100) == pytest.approx(2e8 / found.cycles)
    assert found.gops(100) == pytest.approx(2e-9 * found.macs * found.fps(100))
