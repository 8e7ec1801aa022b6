"""Row formats that a file names reach the integer graph, whatever becomes of the layout."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from flows.onnx_import import NetworkError, load_network
from flows.onnx_import.row_formats import (
    POLICY_KEY,
    ROW_FORMATS_KEY,
    read_row_formats,
    write_row_formats,
)
from models.formats import find_format
from models.ops.convolution import Convolution
from tests.support.onnx_files import IMAGE, OnnxFile, compare, only

KINDS = ("fixed8", "pot4", "fixed4", "binary", "sp2", "esb4.1")


def on_grid(kinds: Sequence[str], depth: int, seed: int = 0) -> np.ndarray:
    """Random weights ``[rows, depth]`` of the formats."""
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(find_format(k).grid[-16:], depth) for k in kinds], dtype=np.int8)


def weight(file: OnnxFile, codes: np.ndarray, axis: int) -> tuple[str, str]:
    scales = file.const(np.linspace(0.01, 0.03, codes.shape[axis]))
    stored = file.const(codes, np.int8)
    zeros = file.const(np.zeros(codes.shape[axis]), np.int8)
    return stored, file.add("DequantizeLinear", stored, scales, zeros, axis=axis)


def name_formats(path: Path, rows: Mapping[str, Sequence[str]]) -> Path:
    model = onnx.load(path)
    write_row_formats(model, rows, {"name": "by hand"})
    onnx.save(model, path)
    return path


def linear(
    folder: Path,
    kinds: Sequence[str] = KINDS,
    *,
    gain: npt.ArrayLike | None = None,
    form: str = "MatMul",
) -> tuple[Path, str, np.ndarray]:
    file = OnnxFile()
    codes = on_grid(kinds, 8)
    x = file.quantise("image")
    if form == "MatMul":
        stored, real = weight(file, np.ascontiguousarray(codes.T), axis=1)
    else:
        stored, real = weight(file, codes, axis=0)
        real = file.add("Transpose", real, perm=[1, 0])
    y = file.add("MatMul", x, real, name="layer")
    if gain is not None:
        y = file.add("Mul", y, file.const(gain))
    path = file.save(folder, file.quantise(y, scale=0.02))
    return name_formats(path, {stored: kinds}), stored, codes


@pytest.mark.parametrize("form", ["MatMul", "Transpose"])
def test_linear(tmp_path: Path, form: str) -> None:
    path, _, codes = linear(tmp_path, form=form)
    operator = only(compare(path)[1], Convolution)
    assert operator.formats == KINDS
    assert np.array_equal(operator.weights[:, 0, 0], codes)


def test_convolution(tmp_path: Path) -> None:
    file = OnnxFile(IMAGE)
    kinds = ("pot4", "fixed4", "pot4", "binary")
    stored, real = weight(file, on_grid(kinds, 27).reshape(4, 3, 3, 3), axis=0)
    y = file.add("Conv", file.quantise("image"), real, name="layer")
    path = name_formats(file.save(tmp_path, file.quantise(y)), {stored: kinds})
    steps, graph = compare(path)
    assert steps <= 1
    assert only(graph, Convolution).formats == kinds


def test_rows_with_a_negative_gain_stay_on_their_grid(tmp_path: Path) -> None:
    """fixed4 has -8 but no 8: such a row is rounded anew, on its own grid."""
    path, _, codes = linear(tmp_path, ("fixed4",) * 6, gain=np.linspace(-2, -1, 6))
    assert codes.min() == -8
    operator = only(load_network(path), Convolution)
    assert operator.weights.max() == 7


def test_columns_that_a_layout_picks_take_their_formats_along(tmp_path: Path) -> None:
    file = OnnxFile()
    codes = on_grid(KINDS, 8)
    stored, real = weight(file, np.ascontiguousarray(codes.T), axis=1)
    y = file.quantise(file.add("MatMul", file.quantise("image"), real, name="layer"))
    part = file.add("Gather", y, file.const([4, 1], np.int64), axis=2)
    path = file.save(tmp_path, file.quantise(file.add("Relu", part)))
    graph = load_network(name_formats(path, {stored: KINDS}))
    assert only(graph, Convolution).formats == ("sp2", "pot4")


def test_no_metadata_means_fixed8(tmp_path: Path) -> None:
    path, stored, _ = linear(tmp_path)
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    operator = only(load_network(path), Convolution)
    assert operator.formats == ()
    assert operator.row_formats == ("fixed8",) * 6


def test_metadata_is_a_run_length_code_and_keeps_foreign_entries() -> None:
    model = onnx.ModelProto()
    model.metadata_props.add(key="author", value="somebody")
    write_row_formats(model, {"w": ["pot4", "pot4", "fixed8"]}, {"name": "rmsmp"})
    props = {entry.key: entry.value for entry in model.metadata_props}
    assert props == {
        "author": "somebody",
        ROW_FORMATS_KEY: '{"version":1,"rows":{"w":[["pot4",2],["fixed8",1]]}}',
        POLICY_KEY: '{"name":"rmsmp"}',
    }
    assert read_row_formats(model, "f.onnx") == {"w": ("pot4", "pot4", "fixed8")}


def refused(path: Path, text: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(text)) as caught:
        load_network(path)
    assert "\n" not in str(caught.value)


def test_unknown_format(tmp_path: Path) -> None:
    path, stored, _ = linear(tmp_path)
    refused(
        name_formats(path, {stored: ["fixed8"] * 5 + ["pot44"]}),
        f"rows of '{stored}': row format must be one of",
    )


def test_wrong_length(tmp_path: Path) -> None:
    path, stored, _ = linear(tmp_path)
    refused(
        name_formats(path, {stored: KINDS[:-1]}),
        f"row formats of '{stored}' must be one for every position of axis 1 of the shape [8, 6], "
        "not 5",
    )


def test_weight_that_is_not_there(tmp_path: Path) -> None:
    path, _, _ = linear(tmp_path)
    refused(
        name_formats(path, {"w": KINDS}),
        "row formats must name a weight of the network, not 'w'",
    )


def test_weights_off_the_grid(tmp_path: Path) -> None:
    path, stored, codes = linear(tmp_path)
    refused(
        name_formats(path, {stored: ("ternary", *KINDS[1:])}),
        f"MatMul 'layer' must fit the integer operators: weights of row 0 must be on the grid of "
        f"ternary, not {codes[0][np.abs(codes[0]) > 1][0]}",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version":1,"rows":{"w":["pot4"]}}',
        '{"version":1,"rows":{"w":[["a",-1]]}}',
    ],
)
def test_other_metadata(tmp_path: Path, text: str) -> None:
    path, _, _ = linear(tmp_path)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {ROW_FORMATS_KEY: text})
    onnx.save(model, path)
    refused(path, "metadata 'rowmac.row_formats' of network network.onnx must be JSON of the form")


def test_other_version(tmp_path: Path) -> None:
    path, _, _ = linear(tmp_path)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {ROW_FORMATS_KEY: '{"version":2,"rows":{}}'})
    onnx.save(model, path)
    refused(path, "version of metadata 'rowmac.row_formats' of network network.onnx must be 1")
