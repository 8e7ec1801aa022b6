"""Accuracy on the 10,000 test images: float, int8 by onnxruntime, and the integer graph.

``python -m examples.fashion_mnist.accuracy`` prints the table of the README. The float figure needs
``build/fashion_mnist/NETWORK_float.onnx``, which :mod:`examples.fashion_mnist.quantise` leaves.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from examples.fashion_mnist.data import DEFAULT_FOLDER, load, normalise
from flows.onnx_import import load_network
from models.network.graph import run_graph

__all__ = ["integer_logits", "main", "onnx_logits"]

_HERE = Path(__file__).parent
_BATCH = 250


def onnx_logits(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits ``[N, classes]`` by onnxruntime, image by image (the files have a batch of one).

    Graph optimisations stay off: what is measured is the file as it is written, every quantiser
    included, not a fused variant of it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rows = [session.run(None, {name: image[None]})[0].reshape(-1) for image in images]
    return np.stack(rows)


def integer_logits(path: Path, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logits ``[N, classes]`` by the integer graph, many images at a time."""
    graph = load_network(path)
    codes = graph.tensors[graph.input].quantize(images.transpose(0, 2, 3, 1))
    parts = [run_graph(graph, codes[i : i + _BATCH]) for i in range(0, len(codes), _BATCH)]
    logits = graph.tensors[graph.output].dequantize(np.concatenate(parts))
    return logits.reshape(len(images), -1)


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="accuracy of the Fashion-MNIST networks")
    parser.add_argument("networks", nargs="*", default=["vit", "resnet"])
    parser.add_argument("--count", type=int, default=10_000, help="test images, 10000 at most")
    parser.add_argument("--data", type=Path, default=DEFAULT_FOLDER)
    arguments = parser.parse_args()
    pixels, labels = load("test", arguments.data)
    images, labels = normalise(pixels[: arguments.count]), labels[: arguments.count]
    print(f"{'network':8} {'float':>8} {'int8':>8} {'integer':>8}   difference of logits")
    for name in arguments.networks:
        quantised = _HERE / f"{name}_int8.onnx"
        whole = Path("build/fashion_mnist", f"{name}_float.onnx")
        reference = onnx_logits(quantised, images)
        integer = integer_logits(quantised, images)
        cells = [f"{100 * np.mean(p.argmax(1) == labels):.2f} %" for p in (reference, integer)]
        first = "-"
        if whole.exists():
            first = f"{100 * np.mean(onnx_logits(whole, images).argmax(1) == labels):.2f} %"
        graph = load_network(quantised)
        steps = np.abs(reference - integer) / graph.tensors[graph.output].scale
        print(
            f"{name:8} {first:>8} {cells[0]:>8} {cells[1]:>8}   int8 to integer at most "
            f"{steps.max():.0f} codes, {steps.mean():.2f} on average"
        )


if __name__ == "__main__":
    main()
