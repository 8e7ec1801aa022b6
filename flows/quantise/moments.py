"""Second moments of a layer's inputs: all that fitting its rows needs to know of the images.

Of the float network's input ``x`` and the quantised network's input ``q`` of the same layer, with
means taken off (the bias takes them over): ``H = E[q q^T]`` and ``C = E[x q^T]``. The expected
squared error of a row ``v`` against the float row ``w`` is then quadratic in ``v``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flows.errors import UserError
from flows.quantise.float_layers import Geometry, Layer, Reals
from flows.quantise.runtime import Floats

__all__ = ["MomentSums", "Moments", "rows_of"]

_SAMPLES, _SAMPLES_PER_INPUT = 1 << 13, 16
"""Input vectors that are taken from all images together: so many, or so many for each of K."""
_BLOCK = 2048
"""Vectors that are multiplied at a time."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Means ``[groups, K]`` and centred moments ``[groups, K, K]`` of a layer's inputs."""

    float_mean: Reals
    mean: Reals
    cross: Reals
    second: Reals

    @property
    def diagonal(self) -> Reals:
        """Variance of every input, never quite 0: ``[groups, K]``."""
        found: Reals = np.maximum(np.diagonal(self.second, axis1=1, axis2=2), 0)
        return np.asarray(found + 1e-6 * found.mean(axis=1, keepdims=True) + 1e-12)


@dataclass(eq=False)
class MomentSums:
    """Adds up images."""

    layer: Layer
    images: int
    _count: int = 0
    _seen: int = 0
    _sums: list[Reals] = field(default_factory=list)
    _near: list[Floats] = field(default_factory=list)
    _waiting: list[tuple[Floats, Floats]] = field(default_factory=list)

    def add(self, floats: Floats, quantised: Floats) -> None:
        """Inputs of some images in the float and in the quantised network, of one shape."""
        wanted = max(_SAMPLES, _SAMPLES_PER_INPUT * self.layer.matrix.shape[1])
        share = -(-wanted // self.images)
        a = rows_of(self.layer, floats, share, self._seen)
        b = rows_of(self.layer, quantised, share, self._seen)
        self._seen += len(floats)
        self._waiting.append((a, b))
        if sum(one.shape[1] for one, _ in self._waiting) >= _BLOCK:
            self._flush()

    def moments(self) -> Moments:
        """What was added so far.

        Raises
        ------
        UserError
            If an input is too large for its square to be a number.
        """
        if self._waiting:
            self._flush()
        float_mean, mean, cross, second = (s / self._count for s in self._sums)
        if not all(np.isfinite(s).all() for s in self._sums):
            raise UserError(
                f"inputs of layer {self.layer.name} must have finite squares on the calibration "
                "images, not larger ones; scale the images as for training"
            )
        return Moments(
            float_mean=float_mean + self._near[0][:, 0],
            mean=mean + self._near[1][:, 0],
            cross=cross.transpose(0, 2, 1) - float_mean[:, :, None] * mean[:, None, :],
            second=second - mean[:, :, None] * mean[:, None, :],
        )

    def _flush(self) -> None:
        """float32 products of one block, float64 sums of all.

        Of what is left without the first block's means: where an input hardly varies, squares of
        the whole would lose its variance in their own rounding, and be no moments at all.
        """
        a, b = (np.concatenate(part, axis=1) for part in zip(*self._waiting, strict=True))
        self._waiting = []
        self._count += a.shape[1]
        with np.errstate(over="ignore", invalid="ignore"):  # seen in the sums
            if not self._near:
                self._near = [part.mean(axis=1, keepdims=True) for part in (a, b)]
            a, b = a - self._near[0], b - self._near[1]
            turned = b.transpose(0, 2, 1)
            sums = [a.sum(axis=1), b.sum(axis=1), turned @ a, turned @ b]
        if not self._sums:
            self._sums = [np.zeros(s.shape) for s in sums]
        for total, one in zip(self._sums, sums, strict=True):
            total += one


def rows_of(layer: Layer, values: Floats, share: int, seed: int) -> Floats:
    """Input vectors of a layer ``[groups, n, K]``: at most ``share`` of each image."""
    rng = np.random.default_rng(seed)
    if layer.geometry is None:
        table = values.reshape(len(values), -1, layer.matrix.shape[1])
        if table.shape[1] > share:
            table = table[:, rng.choice(table.shape[1], share, replace=False)]
        return table.reshape(1, -1, table.shape[-1])
    return _patches(layer.geometry, values, share, rng)


def _patches(geometry: Geometry, values: Floats, share: int, rng: np.random.Generator) -> Floats:
    top, left, bottom, right = geometry.padding
    padded = np.pad(values, ((0, 0), (0, 0), (top, bottom), (left, right)))
    extent = tuple(d * (k - 1) + 1 for d, k in zip(geometry.dilation, geometry.kernel, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=(2, 3))
    (step_y, step_x), (wide_y, wide_x) = geometry.stride, geometry.dilation
    windows = windows[:, :, ::step_y, ::step_x, ::wide_y, ::wide_x]
    count, channels, tall, wide = windows.shape[:4]
    places = np.arange(tall * wide)
    if len(places) > share:
        places = rng.choice(places, share, replace=False)
    chosen = windows[:, :, places // wide, places % wide]
    table = chosen.transpose(0, 2, 1, 3, 4).reshape(
        count * len(places), geometry.groups, channels // geometry.groups, *geometry.kernel
    )
    return np.ascontiguousarray(
        table.transpose(1, 0, 2, 3, 4).reshape(geometry.groups, len(table), -1)
    )
