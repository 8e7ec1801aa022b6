"""Images for a network, from a file of numpy arrays."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.errors import UserError
from models.numerics.quantized import TensorType
from models.numerics.rescale import Integers

__all__ = ["Inputs", "checked_labels", "read_inputs"]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Images as given and as codes, and what they show.

    Attributes
    ----------
    images : float array [n, channels, height, width], or [n, tokens, channels]
        As the network takes them: real numbers, or codes of its input's type.
    codes : int array [n, *input tensor shape], channels last
    labels : int array [n], or None where the file has none
    """

    images: NDArray[np.float64]
    codes: Integers
    labels: NDArray[np.int64] | None


def read_inputs(path: Path, tensor: TensorType, count: int | None = None) -> Inputs:
    """The first ``count`` images (or all) of an .npz file: array ``x``, and labels ``y`` if any.

    A network whose file begins with real numbers takes real numbers; one that begins with uint8 or
    int8 codes (pixels) takes codes of that type, and no other.

    Parameters
    ----------
    tensor
        type of the network's input, channels last.

    Raises
    ------
    UserError
        if the file has no such images: other shape or type, too few, with NaN or infinity, or with
        numbers beyond those of 32 bits.
    """
    images, labels, total = _arrays(path, count)
    height_first = len(tensor.shape) == 3
    shape = (tensor.shape[2], *tensor.shape[:2]) if height_first else tensor.shape
    _check(path, images, total, count, shape, tensor.host)
    chosen = images[:count].astype(np.float64)
    stored = chosen.transpose(0, 2, 3, 1) if height_first else chosen
    return Inputs(
        images=chosen,
        codes=tensor.codes_of(stored),
        labels=None if labels is None else checked_labels(path, labels, total)[:count],
    )


def checked_labels(path: Path, labels: NDArray[np.generic], images: int) -> NDArray[np.int64]:
    """Labels as whole numbers of 64 bits with a sign.

    Raises
    ------
    UserError
        If they are not one such number an image.
    """
    if labels.dtype.kind not in "iu" or labels.shape != (images,):
        raise UserError(
            f"y of {path} must be {images} integers, not {labels.dtype} {list(labels.shape)}"
        )
    if labels.dtype.kind == "u":
        large = np.flatnonzero(labels.astype(np.uint64) >> np.uint64(63))
        if len(large):
            raise UserError(
                f"y of {path} must be integers below 2**63, "
                f"not {labels[large[0]]} of image {large[0]}"
            )
    return labels.astype(np.int64)


def _arrays(
    path: Path, count: int | None
) -> tuple[NDArray[np.generic], NDArray[np.generic] | None, int]:
    """The first images at least, all labels, and how many images there are."""
    try:
        names, arrays, total = _read(path, count)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except MemoryError:
        raise UserError(f"arrays of {path} must fit into the memory of this computer") from None
    except Exception:
        # Zip files and numpy's headers, damaged or made by others: their readers raise anything.
        raise UserError(f"{path} must be an .npz file of plain arrays") from None
    if "x" not in arrays:
        raise UserError(f"{path} must have an array x, not only {names}")
    return arrays["x"], arrays.get("y"), total


def _read(path: Path, count: int | None) -> tuple[list[str], dict[str, NDArray[np.generic]], int]:
    """Names of all arrays in a file, its arrays x and y, and the length of the whole x."""
    with path.open("rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = np.load(stream, allow_pickle=False)
        if not isinstance(content, np.lib.npyio.NpzFile):
            raise ValueError("a single array")
        first = None if count is None else _first(content, count)
        wanted = ("y",) if first else ("x", "y")
        arrays = {name: content[name] for name in wanted if name in content}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("a file that is no array")
        total = len(arrays["x"]) if "x" in arrays and arrays["x"].ndim else 0
        if first:
            arrays["x"], total = first
        return sorted(content), arrays, total


def _first(content: np.lib.npyio.NpzFile, count: int) -> tuple[NDArray[np.generic], int] | None:
    """The first images alone, and how many there are; None where all have to be read for that.

    A file of a few megabytes may hold gigabytes of images, of which a simulation takes one.
    """
    archive = content.zip
    if archive is None or "x.npy" not in archive.namelist():
        return None
    with archive.open("x.npy") as member:
        if np.lib.format.read_magic(member) != (1, 0):
            return None
        shape, in_columns, kind = np.lib.format.read_array_header_1_0(member)
        if in_columns or kind.hasobject or 0 in shape or len(shape) < 2 or shape[0] <= count:
            return None
        size = count * math.prod(shape[1:]) * kind.itemsize
        found = np.frombuffer(member.read(size), kind)
    return found.reshape(count, *shape[1:]), shape[0]


def _check(
    path: Path,
    images: NDArray[np.generic],
    total: int,
    count: int | None,
    shape: tuple[int, ...],
    host: str,
) -> None:
    if host != "float32" and images.dtype.name != host:
        raise UserError(
            f"x of {path} must be {host} codes, which the network's input takes, not {images.dtype}"
        )
    if host == "float32" and images.dtype.kind != "f":
        raise UserError(f"x of {path} must be of a floating-point type, not {images.dtype}")
    if images.ndim != len(shape) + 1 or images.shape[1:] != shape:
        wanted = ", ".join(["n", *map(str, shape)])
        found = [total, *images.shape[1:]][: images.ndim]
        raise UserError(f"x of {path} must be of shape [{wanted}], not {found}")
    if count is not None and count > total:
        raise UserError(f"count must be at most {total}, the images of {path}, not {count}")
    bad = np.flatnonzero(~np.isfinite(images[:count]).all(axis=tuple(range(1, images.ndim))))
    if len(bad):
        raise UserError(f"x of {path} must be finite, but image {bad[0]} has NaN or infinity")
    # The network's input is a 32-bit number: what is more than that is infinite to it.
    limit = np.finfo(np.float32).max
    large = np.flatnonzero((np.abs(images[:count]) > limit).any(axis=tuple(range(1, images.ndim))))
    if len(large):
        raise UserError(
            f"x of {path} must be numbers of 32 bits, up to {limit:.2g}, "
            f"but image {large[0]} has a larger one"
        )
