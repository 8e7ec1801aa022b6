"""Quantised files of the networks: exported by torch, quantised by onnxruntime, kept."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks.torch_networks import NETWORKS

__all__ = ["digest", "float_file", "image", "quantised_file"]

OPSET = 17
CALIBRATION_IMAGES, CALIBRATION_SEED = 4, 1
IMAGE_SEED = 7


def images(shape: tuple[int, ...], count: int, seed: int) -> NDArray[np.float32]:
    """Smooth random images: neighbouring pixels have something to do with each other."""
    x = np.random.default_rng(seed).normal(size=(count, *shape))
    for axis in (-1, -2):
        x = x + np.roll(x, 1, axis) + np.roll(x, 2, axis)
    return (x / 3).astype(np.float32)


def image(name: str) -> NDArray[np.float32]:
    """``[1, channels, height, width]`` the image that a network is judged on."""
    return images(NETWORKS[name].shape, 1, IMAGE_SEED)


def float_file(name: str, folder: Path) -> Path:
    """The network as float ONNX."""
    return folder / f"{name}.float.onnx"


def quantised_file(name: str, folder: Path) -> Path:
    """The quantised network; made, beside its float file, if it is not there.

    Raises
    ------
    benchmarks.networks.torch_networks.Missing
        If what it is made with is not installed.
    """
    file = folder / f"{name}.onnx"
    if not (file.exists() and float_file(name, folder).exists()):
        module = NETWORKS[name].module()
        print(f"making {file}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as scratch, _quiet():
            _make(module, name, Path(scratch))
            for made in (float_file(name, Path(scratch)), Path(scratch) / file.name):
                shutil.move(made, folder / made.name)
    return file


class _Calibration:
    """Calibration images as onnxruntime asks for them."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        drawn = images(shape, CALIBRATION_IMAGES, CALIBRATION_SEED)
        self._feeds = iter([{"image": one[None]} for one in drawn])

    def get_next(self) -> dict[str, Any] | None:
        """The next image; None after the last one."""
        return next(self._feeds, None)


def _make(module: Any, name: str, folder: Path) -> None:
    """Export and quantise: QDQ, int8, a scale per channel, symmetric activations; or by policy."""
    import torch
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    shape, policy = NETWORKS[name].shape, NETWORKS[name].policy
    plain, prepared = float_file(name, folder), folder / "prepared.onnx"
    torch.onnx.export(
        module,
        (torch.zeros(1, *shape),),
        plain,
        dynamo=False,
        opset_version=OPSET,
        input_names=["image"],
        output_names=["scores"],
    )
    if policy is not None:
        _by_policy(plain, policy, images(shape, CALIBRATION_IMAGES, CALIBRATION_SEED), folder, name)
        return
    quant_pre_process(str(plain), str(prepared))
    quantize_static(
        str(prepared),
        str(folder / f"{name}.onnx"),
        _Calibration(shape),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
    )


def _by_policy(
    plain: Path, policy: str, calibration: NDArray[np.float32], folder: Path, name: str
) -> None:
    """Quantise as ``rowmac quantise`` does, to the nearest level: random weights want no more."""
    import onnx

    from flows.quantise import Choices, find_policy, quantise_network, read_float_network

    found = find_policy(policy)
    choices = Choices(policy=found, ratio=found.ratio, rounding="nearest")
    done = quantise_network(read_float_network(plain), calibration, choices)
    onnx.save(done.model, folder / f"{name}.onnx")


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporter and quantiser warn of matters that are none here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def digest(file: Path) -> str:
    """What tells two versions of a file apart."""
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()[:12]
