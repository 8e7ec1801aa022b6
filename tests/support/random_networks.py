"""Random small integer networks: every operator, odd shapes, every rounding rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.formats.row_classes import RowClass
from models.network.graph import ConcatTokens, Constant, IntegerGraph, Reshape, SelectTokens
from models.numerics.rescale import Integers
from tests.support.random_layers import Builder

KINDS = ("gemm", "convolution", "attention", "normalisation", "pooling", "add", "chain")


def random_network(
    kind: str, seed: int, classes: Sequence[RowClass] = (), act_bits: int = 8
) -> IntegerGraph:
    """A network of one of ``KINDS``; the same for the same seed.

    With row classes every row of weights is on the grid of one of them, and products of two
    activations have operands without zero points. With fewer ``act_bits`` (gemm and convolution
    only) the products read codes of so many bits.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    tokens, channels = int(rng.integers(1, 14)), int(rng.integers(1, 40))
    image = (int(rng.integers(3, 9)), int(rng.integers(4, 9)), int(rng.integers(1, 20)))
    if kind in ("convolution", "pooling"):
        b = Builder(rng, image, classes=classes, act_bits=act_bits)
        first = "input" if act_bits == 8 else b.map("input")
        out = b.convolution(first) if kind == "convolution" else b.pool(first)
        if kind == "convolution" and rng.random() < 0.5 and min(b.tensors[out].shape[:2]) > 3:
            out = b.convolution(out)
        return b.graph(f"{kind}-{seed}", out)
    b = Builder(rng, (tokens, channels), classes=classes, act_bits=act_bits)
    if kind == "gemm":
        first = "input" if act_bits == 8 else b.map("input")
        out = b.linear(first, int(rng.integers(1, 40)))
        out = b.linear(out, int(rng.integers(1, 20)), wide=bool(rng.random() < 0.4))
    elif kind == "attention":
        out = b.attention("input")
    elif kind == "normalisation":
        wide = bool(rng.random() < 0.4)
        source = b.map("input", wide=True) if wide else "input"
        out = b.softmax(source) if rng.random() < 0.4 else b.norm(source)
    elif kind == "add":
        wide = bool(rng.random() < 0.4)
        other = b.map("input", wide=wide)
        source = b.map("input", wide=True) if wide else "input"
        out = b.join(source, other, wide=bool(rng.random() < 0.5))
    else:
        size = 7
        token = b.add(Constant(codes=b.corners(-128, 127, (1, channels))), (), (1, channels))
        body = b.linear("input", channels)
        joined = b.add(ConcatTokens(), (token, body), (tokens + 1, channels))
        normal = b.norm(joined)
        mixed = b.attention(normal)
        back = b.linear(mixed, channels)
        row = b.add(Constant(codes=b.corners(-128, 127, (1, channels))), (), (1, channels))
        total = b.join(b.join(joined, back), row)
        first = b.add(SelectTokens(0, 1), (total,), (1, channels))
        out = b.linear(first, size)
        out = b.add(Reshape((1, 1, size)), (out,), (1, 1, size))
        out = b.add(Reshape((1, size)), (out,), (1, size))
    return b.graph(f"{kind}-{seed}", out)


def random_codes(graph: IntegerGraph, seed: int, images: int = 1) -> Integers:
    """Input codes with many corner values."""
    rng = np.random.default_rng([seed, 99])
    kind = graph.tensors[graph.input]
    return Builder(rng, kind.shape).corners(kind.low, kind.high, (images, *kind.shape))
