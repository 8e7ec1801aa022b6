"""Images for a network, from a file of numpy arrays."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.quantized import TensorType
from models.rescale import Integers

from .errors import UserError

__all__ = ["Inputs", "read_inputs"]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Images as given and as codes, and what they show.

    Attributes
    ----------
    images : float array [n, *the network's input shape without its batch axis]
    codes : int array [n, *input tensor shape]
    labels : int array [n], or None where the file has none
    """

    images: NDArray[np.float64]
    codes: Integers
    labels: NDArray[np.int64] | None


def read_inputs(
    path: Path, count: int, network_shape: tuple[int, ...], tensor: TensorType
) -> Inputs:
    """The first ``count`` images of an .npz file: array ``x``, and labels ``y`` if there are any.

    Parameters
    ----------
    network_shape
        input shape as the network's file states it: ``(1, channels, height, width)`` and the like.
    tensor
        type of the integer graph's input, channels last.

    Raises
    ------
    UserError
        if the file has no such images: other shape or type, too few, or with NaN or infinity.
    """
    images, labels = _arrays(path)
    _check(path, images, labels, count, network_shape)
    chosen = images[:count].astype(np.float64)
    stored = chosen.transpose(0, 2, 3, 1) if chosen.ndim == 4 else chosen
    return Inputs(
        images=chosen,
        codes=tensor.quantize(stored.reshape(count, *tensor.shape)),
        labels=None if labels is None else labels[:count].astype(np.int64),
    )


def _arrays(path: Path) -> tuple[NDArray[np.generic], NDArray[np.generic] | None]:
    try:
        with path.open("rb") as stream:
            arrays = np.load(stream, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            if "x" not in arrays:
                raise UserError(f"{path} must have an array x, not only {sorted(arrays)}")
            return arrays["x"], arrays["y"] if "y" in arrays else None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        raise UserError(f"{path} must be an .npz file of plain arrays") from None


def _check(
    path: Path,
    images: NDArray[np.generic],
    labels: NDArray[np.generic] | None,
    count: int,
    network_shape: tuple[int, ...],
) -> None:
    shape = network_shape[1:]
    if images.dtype.kind != "f":
        raise UserError(f"x of {path} must be of a floating-point type, not {images.dtype}")
    if images.ndim != len(shape) + 1 or images.shape[1:] != shape:
        wanted = ", ".join(["n", *map(str, shape)])
        raise UserError(f"x of {path} must be of shape [{wanted}], not {list(images.shape)}")
    if count > len(images):
        raise UserError(f"count must be at most {len(images)}, the images of {path}, not {count}")
    bad = np.flatnonzero(~np.isfinite(images[:count]).reshape(count, -1).all(axis=1))
    if len(bad):
        raise UserError(f"x of {path} must be finite, but image {bad[0]} has NaN or infinity")
    if labels is not None and (labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]):
        raise UserError(
            f"y of {path} must be {len(images)} integers, not {labels.dtype} {list(labels.shape)}"
        )
