"""Random networks whose tensors exceed a small machine's scratchpad."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from models.formats.row_classes import RowClass
from models.network.graph import ConcatTokens, IntegerGraph, Reshape, SelectTokens
from models.ops.convolution import Convolution
from models.ops.pool import AveragePool, MaxPool
from tests.support.random_layers import Builder

__all__ = ["large_network"]


def large_network(seed: int, classes: Sequence[RowClass] = (), scale: float = 1.0) -> IntegerGraph:
    """An image through two to five operators, of lines or of rows; the same for the same seed.

    ``scale`` multiplies the sides of the image.
    """
    rng = np.random.default_rng([seed, 4711])
    sides = [max(4, int(scale * rng.integers(16, 44))) for _ in range(2)]
    b = Builder(rng, (*sides, int(rng.integers(1, 24))), classes=classes)
    at = "input"
    for _ in range(int(rng.integers(2, 6))):
        at = _step(b, at)
    if rng.random() < 0.3:
        at = _tokens(b, at)
    return b.graph(f"large-{seed}", at)


def _step(b: Builder, at: str) -> str:
    height, width, _ = b.tensors[at].shape
    choice = b.rng.random()
    if choice < 0.5 and min(height, width) > 6:
        return _drawn(b, lambda: b.convolution(at))
    if choice < 0.65 and min(height, width) > 6:
        return _drawn(b, lambda: b.pool(at))
    if choice < 0.8:
        return b.join(at, b.map(at))
    return b.map(at)


def _drawn(b: Builder, draw: Callable[[], str]) -> str:
    """Draw until a strip of one line is less than the image, and not padding alone."""
    while True:
        name = draw()
        op = b.nodes[-1].operator
        if isinstance(op, Convolution):
            reach = op.dilation[0] * (op.weights.shape[1] - 1) + 1
            padding = op.padding
        else:
            assert isinstance(op, MaxPool | AveragePool)
            reach, padding = op.window.kernel[0], op.window.padding
        if reach <= 5 and max(padding[0], padding[2]) < reach:
            return name
        b.nodes.pop()
        b.tensors.pop(name)


def _tokens(b: Builder, at: str) -> str:
    *sides, channels = b.tensors[at].shape
    rows = int(np.prod(sides))
    at = b.add(Reshape((rows, channels)), (at,), (rows, channels))
    at = b.norm(at) if b.rng.random() < 0.5 else b.linear(at, int(b.rng.integers(1, 30)))
    rows, channels = b.tensors[at].shape
    if rows > 3 and b.rng.random() < 0.5:
        part = b.add(SelectTokens(1, rows - 1), (at,), (rows - 2, channels))
        at = b.add(ConcatTokens(), (part, at), (2 * rows - 2, channels))
    return at
