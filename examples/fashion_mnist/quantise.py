"""Export a trained network and quantise it to int8 ONNX in QDQ form.

``python -m examples.fashion_mnist.quantise vit`` reads the checkpoint that
:mod:`examples.fashion_mnist.train` wrote and leaves ``vit_int8.onnx`` beside this file: what any
user of PyTorch and onnxruntime would do, with nothing made for this project in it. The float
network goes to ``build/fashion_mnist/`` for comparison. ``samples`` as the name writes
``samples.npz``, the first 64 test images.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from examples.fashion_mnist.data import DEFAULT_FOLDER, load, normalise
from examples.fashion_mnist.train import NETWORKS

__all__ = ["Images", "export", "main", "quantise", "write_samples"]

_HERE = Path(__file__).parent
_OPSET = 20
_CALIBRATION_IMAGES = 500
_SAMPLES = 64


class Images(CalibrationDataReader):  # type: ignore[misc]
    """Hands calibration images ``[N, 1, 28, 28]`` to onnxruntime one by one."""

    def __init__(self, name: str, images: NDArray[np.float32]) -> None:
        self._batches = ({name: image[None]} for image in images)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next feed, or None at the end."""
        return next(self._batches, None)


def export(model: torch.nn.Module, shape: Sequence[int], path: Path) -> None:
    """Write ``model`` as float ONNX with a batch of one, inputs ``x``, outputs ``logits``."""
    torch.onnx.export(
        model.eval(),
        (torch.zeros(1, *shape),),
        path,
        dynamo=True,
        opset_version=_OPSET,
        external_data=False,
        input_names=["x"],
        output_names=["logits"],
        verbose=False,
    )


def quantise(source: Path, target: Path, images: NDArray[np.float32]) -> None:
    """Quantise a float ONNX file: int8 activations, symmetric int8 weights per channel."""
    prepared = source.with_suffix(".prepared.onnx")
    quant_pre_process(source, prepared)
    quantize_static(
        prepared,
        target,
        Images("x", images),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        calibrate_method=CalibrationMethod.MinMax,
    )
    _tidy(target)


def write_samples(path: Path, data: Path) -> None:
    """Write the first test images: ``x`` normalised ``[N, 1, 28, 28]``, ``y`` labels ``[N]``."""
    pixels, labels = load("test", data)
    np.savez_compressed(path, x=normalise(pixels[:_SAMPLES]), y=labels[:_SAMPLES])


def _tidy(path: Path) -> None:
    """Drop what no node needs: foreign operator sets, metadata, unused shapes."""
    model = onnx.load(path)
    domains = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in domains | {""}]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in model.graph.value_info:
        del value.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="export a trained network as int8 ONNX")
    parser.add_argument("network", choices=[*sorted(NETWORKS), "samples"])
    parser.add_argument("--checkpoint", type=Path, help="default: build/fashion_mnist/NETWORK.pt")
    parser.add_argument("--output", type=Path, help="default: NETWORK_int8.onnx beside this file")
    parser.add_argument("--data", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--untrained", action="store_true", help="random weights, no checkpoint")
    arguments = parser.parse_args()
    if arguments.network == "samples":
        write_samples(arguments.output or _HERE / "samples.npz", arguments.data)
        return
    name = arguments.network
    build = Path("build/fashion_mnist")
    build.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    model = NETWORKS[name]()
    if not arguments.untrained:
        state = torch.load(arguments.checkpoint or build / f"{name}.pt", weights_only=True)
        model.load_state_dict(state["model"])
    pixels, _ = load("train", arguments.data)
    images = normalise(pixels[:_CALIBRATION_IMAGES])
    float_path = build / f"{name}_float.onnx"
    export(model, images.shape[1:], float_path)
    quantise(float_path, arguments.output or _HERE / f"{name}_int8.onnx", images)


if __name__ == "__main__":
    main()
