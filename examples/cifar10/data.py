"""CIFAR-10 as two .npz files: ``cifar10_train.npz`` and ``cifar10_test.npz``.

Each holds ``x``, uint8 ``[n, 32, 32, 3]`` (RGB), and ``y``, uint8 ``[n]``. The data set has no
formal licence and is no part of this repository: put the files into ``build/cifar10``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["FOLDER", "load", "normalise"]

FOLDER = Path("build/cifar10")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, with which the network was trained."""


def load(part: str, folder: Path = FOLDER) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images ``[n, 32, 32, 3]`` and labels ``[n]`` of ``train`` or ``test``.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    """
    path = folder / f"cifar10_{part}.npz"
    if not path.is_file():
        raise FileNotFoundError(f"no CIFAR-10 in {path}: an .npz file with x and y, see {__name__}")
    with np.load(path) as content:
        return content["x"], content["y"]


def normalise(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 ``[n, 32, 32, 3]`` to the float32 network input ``[n, 3, 32, 32]``."""
    scaled = (pixels.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(DEVIATION)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), dtype=np.float32)
