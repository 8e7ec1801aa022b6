"""``rowmac quantise``: what it prints and writes, and one line for everything not right."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from flows.cli import main
from flows.onnx_import import load_network
from tests.support.float_files import CNN_SHAPE, cnn, images
from tests.support.onnx_files import OnnxFile

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float network, images and labels."""
    path = tmp_path_factory.mktemp("quantise")
    cnn(path)
    x = images(CNN_SHAPE, 24)
    np.savez(path / "images.npz", x=x)
    np.savez(path / "labelled.npz", x=x, y=np.arange(24) % 6)
    return path


def run(
    folder: Path,
    *more: str,
    network: str | Path = "cnn.onnx",
    calibration: str | Path = "images.npz",
    policy: str = "rmsmp",
    out: str = "out.onnx",
) -> int:
    return main(
        ["quantise", str(folder / network), "--policy", policy, "--calibration",
         str(folder / calibration), "-o", str(folder / out), *more]
    )  # fmt: skip


def refused(
    capsys: pytest.CaptureFixture[str], folder: Path, text: str, *more: str, **names: Any
) -> None:
    """Status 2, one line, nothing written."""
    before = sorted(folder.iterdir())
    assert run(folder, *more, out="refused.onnx", **names) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("rowmac: ")
    assert text in error
    assert sorted(folder.iterdir()) == before


def test_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--labelled", str(folder / "labelled.npz")) == 0
    out = capsys.readouterr().out
    assert "pot4:fixed4:fixed8 = 65:30:5" in out
    assert "Chang et al., ICCV 2021" in out
    assert "% in float" in out
    assert "on 24 images" in out
    assert load_network(folder / "out.onnx").nodes


def test_json_is_one_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = str(folder / "labelled.npz")
    assert run(folder, "--json", "--group", "0", "--labelled", labels) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["policy"] == {
        "name": "rmsmp",
        "formats": ["pot4", "fixed4", "fixed8"],
        "ratio": [65.0, 30.0, 5.0],
        "group": 0,
        "activation_bits": 8,
        "rounding": "gptq",
        "keep_ends": False,
    }
    assert facts["calibration_images"] == 24
    assert facts["layers"][1]["rows"] == {"pot4": 16, "fixed4": 7, "fixed8": 1}
    assert 0 <= facts["accuracy"]["quantised"] <= 1


def test_calibration_may_have_the_input_s_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(folder / "named.npz", image=images(CNN_SHAPE, 4))
    assert run(folder, policy="int8", calibration="named.npz") == 0
    assert "accuracy" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--ratio", "65:30:6"], "ratio must sum to 100, not 101"),
        (["--ratio", "65:35"], "ratio of rmsmp must be 3 percentages (pot4:fixed4:fixed8), not 2"),
        (["--weight-bits", "4"], "weight bits must be given for the policy auto-vit-acc only"),
        (["--activation-bits", "3"], "activation bits must be 4 to 8, not 3"),
        (["--group", "-1"], "group must be a number of rows, or 0, not -1"),
    ],
)
def test_choices(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], text: str
) -> None:
    refused(capsys, folder, text, *more)


def test_policy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(
        capsys,
        folder,
        "policy must be one of int8, int4, rmsmp, ilmpq, film-qnn, auto-vit-acc, msq, vaqf, esb, "
        "f8net, not 'rmsnp'; did you mean 'rmsmp'?",
        policy="rmsnp",
    )


def test_weight_bits(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "weight bits of auto-vit-acc must be 4 or 8, not 5"
    refused(capsys, folder, text, "--weight-bits", "5", policy="auto-vit-acc")


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"x": np.zeros((2, 3, 7, 9), np.float32)},
         "must be of shape [n, 3, 9, 7], not [2, 3, 7, 9]"),
        ({"x": np.zeros((0, 3, 9, 7), np.float32)}, "must hold at least one image, not none"),
        ({"x": np.zeros((2, 3, 9, 7), np.uint8)}, "must be of a floating-point type, not uint8"),
        ({"x": np.full((2, 3, 9, 7), np.nan)}, "must be finite numbers of 32 bits"),
        ({"z": np.zeros(3)}, "must have an array image or x, not only ['z']"),
    ],
)  # fmt: skip
def test_calibration(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arrays: dict[str, Any],
    text: str,
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    refused(capsys, folder, text, calibration=tmp_path / "bad.npz")


def test_missing_and_foreign_files(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    refused(capsys, folder, "cannot read", calibration="none.npz")
    (tmp_path / "text.npz").write_text("text")
    text = "must be an .npz file of plain arrays"
    refused(capsys, folder, text, calibration=tmp_path / "text.npz")
    refused(capsys, folder, "cannot read network", network="none.onnx")
    refused(capsys, folder, "must be an ONNX file", network=tmp_path / "text.npz")


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({}, "must have labels y, not only ['x']"),
        ({"y": np.zeros(3, int)}, "must be 24 integers, not int64 [3]"),
    ],
)
def test_labels(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arrays: dict[str, Any],
    text: str,
) -> None:
    np.savez(tmp_path / "bad.npz", x=images(CNN_SHAPE, 24), **arrays)
    refused(capsys, folder, text, "--labelled", str(tmp_path / "bad.npz"))


def test_network_that_is_quantised_already(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = OnnxFile()
    y = file.quantise(file.add("MatMul", file.quantise("image"), file.weights((8, 8))))
    path = file.save(tmp_path, y)
    text = "must be float, not already quantised (QuantizeLinear 'quantizelinear_3')"
    refused(capsys, folder, text, network=path)


def test_network_without_layers(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = OnnxFile()
    path = file.save(tmp_path, file.add("Relu", "image"))
    refused(capsys, folder, "must have layers with float weights", network=path)


def test_network_with_an_operator_nobody_knows(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = OnnxFile((1, *CNN_SHAPE))
    y = file.add("Conv", "image", file.const(np.ones((4, 3, 1, 1))))
    path = file.save(tmp_path, file.add("InstanceNormalization", y, file.const(np.ones(4)),
                                        file.const(np.ones(4))))  # fmt: skip
    refused(capsys, folder, "quantised network must be one rowmac can import: ", network=path)


def test_output_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, policy="int8", out=".") == 2
    assert "output must be a file, not the existing folder" in capsys.readouterr().err


def test_no_onnxruntime(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    refused(capsys, folder, "rowmac quantise needs onnxruntime: pip install 'rowmac[quantise]'")


def test_a_failure_leaves_the_old_file(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "kept.onnx").write_text("before")
    import flows.cli.show_quantise as module

    def fail(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "quantise_network", fail)
    assert run(folder, out="kept.onnx") == 130
    assert (folder / "kept.onnx").read_text() == "before"


def test_written_metadata(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, policy="int8", out="meta.onnx") == 0
    props = {p.key: p.value for p in onnx.load(folder / "meta.onnx").metadata_props}
    assert set(props) == {"rowmac.row_formats", "rowmac.policy"}
    assert json.loads(props["rowmac.policy"])["name"] == "int8"
