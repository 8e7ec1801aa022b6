"""Reads calibration images, and samples the tensors of the float network on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.errors import UserError
from flows.quantise.float_layers import Reals
from flows.quantise.float_network import FloatNetwork
from flows.quantise.runtime import Floats, Runner
from flows.work.inputs import checked_labels

__all__ = ["Labelled", "Sample", "read_images", "read_labelled", "sample_tensors"]

_KEPT = 1 << 17
"""Most values of a tensor kept to choose its range."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images ``[n, *shape]`` and their labels ``[n]``."""

    images: Floats
    labels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Smallest and largest value of a tensor over all images, and a sample of its values."""

    low: float
    high: float
    values: Reals


def read_images(path: Path, network: FloatNetwork) -> Floats:
    """Read images from an .npz file: its array ``x``, or the one named like the network's input.

    Raises
    ------
    UserError
        If the file has no such array, or if the array is empty, has another shape or type, or
        contains NaN.
    """
    arrays = _arrays(path)
    name = "x" if "x" in arrays else network.input
    if name not in arrays:
        names = sorted({"x", network.input})
        raise UserError(
            f"{path} must have an array {' or '.join(names)}, not only {sorted(arrays)}"
        )
    images = arrays[name]
    wanted = f"[n, {', '.join(map(str, network.shape))}]"
    if images.dtype.kind != "f":
        raise UserError(f"{name} of {path} must be of a floating-point type, not {images.dtype}")
    if images.ndim < 1 or images.shape[1:] != network.shape:
        raise UserError(f"{name} of {path} must be of shape {wanted}, not {list(images.shape)}")
    if not len(images):
        raise UserError(f"{name} of {path} must hold at least one image, not none")
    with np.errstate(over="ignore"):
        floats = images.astype(np.float32)
    if not np.isfinite(floats).all():
        raise UserError(f"{name} of {path} must be finite numbers of 32 bits, not NaN or infinity")
    return floats


def read_labelled(path: Path, network: FloatNetwork) -> Labelled:
    """Read images as :func:`read_images` does, and their labels ``y``.

    Raises
    ------
    UserError
        As :func:`read_images`; or if the labels are missing or are not one integer per image.
    """
    images, arrays = read_images(path, network), _arrays(path)
    if "y" not in arrays:
        raise UserError(f"{path} must have labels y, not only {sorted(arrays)}")
    return Labelled(images, checked_labels(path, arrays["y"], len(images)))


def sample_tensors(
    network: FloatNetwork,
    tensors: Sequence[str],
    images: Floats,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Sample]:
    """Run the float network and return a :class:`Sample` of every tensor."""
    own = [name for name in tensors if name != network.input]
    runner = Runner(network.model, own)
    share = max(1, _KEPT // len(images))
    lows, highs = dict.fromkeys(tensors, np.inf), dict.fromkeys(tensors, -np.inf)
    parts: dict[str, list[Floats]] = {name: [] for name in tensors}
    done = 0
    for results in runner.batches(images):
        batch = images[done : done + runner.batch]
        done += len(batch)
        for name, values in zip([*own, network.input], [*results, batch], strict=True):
            if name not in parts:
                continue
            flat = values.reshape(-1)
            lows[name] = min(lows[name], float(flat.min()))
            highs[name] = max(highs[name], float(flat.max()))
            # An odd stride does not repeat the same channels or pixels.
            stride = -(-flat.size // (share * len(batch))) | 1
            parts[name].append(flat[::stride])
        progress(done)
    return {
        name: Sample(lows[name], highs[name], np.concatenate(parts[name]).astype(np.float64))
        for name in tensors
    }


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with path.open("rb") as stream:
            content = np.load(stream, allow_pickle=False)
            if not isinstance(content, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            return {name: np.asarray(content[name]) for name in content}
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except MemoryError:
        raise UserError(f"arrays of {path} must fit into the memory of this computer") from None
    except Exception:
        raise UserError(f"{path} must be an .npz file of plain arrays") from None
