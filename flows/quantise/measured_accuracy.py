"""Measures top-1 accuracy: of the float network, and of the integer graph of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.onnx_import import load_network
from flows.quantise.calibration import Labelled
from flows.quantise.float_network import FloatNetwork
from flows.quantise.runtime import Runner
from models.network.graph import run_graph

__all__ = ["float_accuracy", "integer_accuracy"]

_BATCH = 16
"""Images per batch: few enough that their wide integers stay in the processor's caches."""


def float_accuracy(
    network: FloatNetwork,
    labelled: Labelled,
    progress: Callable[[int], None] = lambda done: None,
) -> float:
    """Return the float network's accuracy, 0 to 1, by onnxruntime."""
    guesses: list[NDArray[np.int64]] = []
    done = 0
    for results in Runner(network.model).batches(labelled.images):
        guesses.append(results[0].reshape(len(results[0]), -1).argmax(axis=1))
        done += len(results[0])
        progress(done)
    return float(np.mean(np.concatenate(guesses) == labelled.labels))


def integer_accuracy(
    path: Path,
    labelled: Labelled,
    progress: Callable[[int], None] = lambda done: None,
) -> float:
    """Return the accuracy, 0 to 1, of the integer graph of a quantised file.

    The file is imported even if there are no images.

    Raises
    ------
    NetworkError
        If the file cannot be imported.
    """
    graph = load_network(path)
    kind = graph.tensors[graph.input]
    right = 0
    for start in range(0, len(labelled.images), _BATCH):
        images = labelled.images[start : start + _BATCH].astype(np.float64)
        if images.ndim == 4:
            images = images.transpose(0, 2, 3, 1)
        codes = kind.quantize(images.reshape(len(images), *kind.shape))
        scores = run_graph(graph, codes).reshape(len(images), -1)
        right += int((scores.argmax(axis=1) == labelled.labels[start : start + _BATCH]).sum())
        progress(start + len(images))
    return right / max(1, len(labelled.images))
