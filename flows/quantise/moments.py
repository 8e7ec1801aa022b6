"""Second moments of a layer's inputs: all that fitting its rows needs of the images.

Let ``x`` be a layer's input in the float network and ``q`` that in the quantised network, both with
their means subtracted (the bias accounts for these). Then ``H = E[q q^T]`` and ``C = E[x q^T]``
suffice: the expected squared error of a row ``v`` against the float row ``w`` is quadratic in
``v``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flows.errors import UserError
from flows.quantise.float_layers import Geometry, Layer, Reals
from flows.quantise.runtime import Floats

__all__ = ["MomentSums", "Moments", "rows_of"]

_SAMPLES, _SAMPLES_PER_INPUT = 1 << 13, 16
"""Input vectors sampled from all images together: the larger of the first number and of the second
times K."""
_BLOCK = 2048
"""Vectors per matrix product."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Means ``[groups, K]`` and centred moments ``[groups, K, K]`` of a layer's inputs."""

    float_mean: Reals
    mean: Reals
    cross: Reals
    second: Reals

    @property
    def diagonal(self) -> Reals:
        """Variance of every input ``[groups, K]``, kept above 0 by a small offset."""
        found: Reals = np.maximum(np.diagonal(self.second, axis1=1, axis2=2), 0)
        return np.asarray(found + 1e-6 * found.mean(axis=1, keepdims=True) + 1e-12)


@dataclass(eq=False)
class MomentSums:
    """Accumulates moments over images."""

    layer: Layer
    images: int
    _count: int = 0
    _seen: int = 0
    _sums: list[Reals] = field(default_factory=list)
    _near: list[Floats] = field(default_factory=list)
    _waiting: list[tuple[Floats, Floats]] = field(default_factory=list)

    def add(self, floats: Floats, quantised: Floats) -> None:
        """Add a layer's inputs for some images: float and quantised, of equal shape."""
        wanted = max(_SAMPLES, _SAMPLES_PER_INPUT * self.layer.matrix.shape[1])
        share = -(-wanted // self.images)
        a = rows_of(self.layer, floats, share, self._seen)
        b = rows_of(self.layer, quantised, share, self._seen)
        self._seen += len(floats)
        self._waiting.append((a, b))
        if sum(one.shape[1] for one, _ in self._waiting) >= _BLOCK:
            self._flush()

    def moments(self) -> Moments:
        """Return the moments of everything added so far.

        Raises
        ------
        UserError
            If the square of an input overflows.
        """
        if self._waiting:
            self._flush()
        float_mean, mean, cross, second = (s / self._count for s in self._sums)
        if not all(np.isfinite(s).all() for s in self._sums):
            raise UserError(
                f"inputs of layer {self.layer.name} must have finite squares on the calibration "
                "images, not overflow; scale the images as for training"
            )
        return Moments(
            float_mean=float_mean + self._near[0][:, 0],
            mean=mean + self._near[1][:, 0],
            cross=cross.transpose(0, 2, 1) - float_mean[:, :, None] * mean[:, None, :],
            second=second - mean[:, :, None] * mean[:, None, :],
        )

    def _flush(self) -> None:
        """Multiply one block in float32, and add it to sums in float64.

        The first block's means are subtracted before: if an input hardly varies, its variance would
        be lost in the rounding of the squares.
        """
        a, b = (np.concatenate(part, axis=1) for part in zip(*self._waiting, strict=True))
        self._waiting = []
        self._count += a.shape[1]
        with np.errstate(over="ignore", invalid="ignore"):  # `moments` checks the sums
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
    """Return input vectors of a layer ``[groups, n, K]``: at most ``share`` from each image."""
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
