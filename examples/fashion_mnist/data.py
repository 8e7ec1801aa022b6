"""Fashion-MNIST images as arrays: the one place that knows the files and the normalisation.

The full set is the Debian package ``dataset-fashion-mnist`` (MIT): four gzipped IDX files. Both
networks take ``[N, 1, 28, 28]`` float32 images normalised as ``(pixel / 255 - MEAN) / DEVIATION``.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASSES", "DEFAULT_FOLDER", "DEVIATION", "MEAN", "load", "normalise"]

DEFAULT_FOLDER = Path("/usr/share/datasets/fashion-mnist")
MEAN = 0.2860
DEVIATION = 0.3530
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_PREFIX = {"train": "train", "test": "t10k"}
_IMAGE_MAGIC = 0x0803
_LABEL_MAGIC = 0x0801


def load(part: str, folder: Path = DEFAULT_FOLDER) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read one part of the data set.

    Parameters
    ----------
    part
        ``"train"`` (60,000 images) or ``"test"`` (10,000 images).
    folder
        Where the IDX files lie.

    Returns
    -------
    Pixels ``[N, 28, 28]`` and labels ``[N]``, both uint8.

    Raises
    ------
    FileNotFoundError
        If the data set is not installed; the text says which package to install.
    """
    if part not in _PREFIX:
        raise ValueError(f"part must be one of {sorted(_PREFIX)}, not {part!r}")
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no data set in {folder}: install the package dataset-fashion-mnist or name the "
            "folder of the four IDX files"
        )
    prefix = folder / _PREFIX[part]
    images = _idx(Path(f"{prefix}-images-idx3-ubyte.gz"), _IMAGE_MAGIC)
    labels = _idx(Path(f"{prefix}-labels-idx1-ubyte.gz"), _LABEL_MAGIC)
    return images, labels


def normalise(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn uint8 pixels ``[N, 28, 28]`` into the float32 network input ``[N, 1, 28, 28]``."""
    scaled = (pixels.astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(
        DEVIATION
    )
    return np.asarray(scaled[:, None], dtype=np.float32)


def _idx(path: Path, magic: int) -> NDArray[np.uint8]:
    """Read one gzipped IDX file: big-endian magic, one 32-bit size a dimension, then bytes."""
    raw = gzip.decompress(path.read_bytes())
    found = int.from_bytes(raw[:4], "big")
    if found != magic:
        raise ValueError(f"magic of {path} must be {magic:#06x}, not {found:#06x}")
    dimensions = magic & 0xFF
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy()
