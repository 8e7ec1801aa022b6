"""Random small integer networks: every operator, odd shapes, every rounding rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.formats.row_classes import RowClass
from models.network.graph import ConcatTokens, Constant, IntegerGraph, Reshape, SelectTokens
from models.numerics.rescale import Integers
from tests.support.random_layers import Builder

KINDS = ("gemm", "convolution", "attention", "normalisation", "pooling", "add", "chain",
         "groups", "flatten")  # fmt: skip


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
    if kind in ("groups", "flatten"):
        b = Builder(
            rng, (*image[:2], 4 * int(rng.integers(2, 10))), classes=classes, act_bits=act_bits
        )
        return b.graph(f"{kind}-{seed}", _groups(b) if kind == "groups" else _flatten(b))
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


def _groups(b: Builder) -> str:
    """A depthwise or grouped convolution, one that joins its channels, a residual addition."""
    depth = b.tensors["input"].shape[-1]
    source = "input" if b.rng.random() < 0.3 else b.map("input")
    groups = b.pick(depth, depth, depth // 2, depth // 4, 2)
    more = b.pick(1, 1, 2, 3) if depth < 16 else 1
    kernel = (b.pick(1, 2, 3), b.pick(1, 3))
    pads = tuple(int(b.rng.integers(0, k + 1)) for k in (*kernel, *kernel))
    out = b.conv(
        source, more * depth, kernel=kernel, groups=groups, stride=(b.pick(1, 2), b.pick(1, 2)),
        padding=pads,  # type: ignore[arg-type]
    )  # fmt: skip
    inner = b.conv(out, 2 * groups if b.rng.random() < 0.3 else b.pick(5, 12))
    return b.join(inner, inner) if b.rng.random() < 0.5 else inner


def _flatten(b: Builder) -> str:
    """Linear layers on a flattened map, with element-wise operators between them or not."""
    out = b.conv("input", b.pick(3, 8, 10), stride=(2, 2))
    whole = (1, int(np.prod(b.tensors[out].shape)))
    flat = b.add(Reshape(whole), (out,), whole)
    if b.rng.random() < 0.4:
        flat = b.map(flat)
    out = b.linear(flat, b.pick(4, 9, 20))
    if b.rng.random() < 0.4:
        out = b.join(out, b.linear(flat, b.tensors[out].shape[-1]))
    return b.linear(out, 5) if b.rng.random() < 0.5 else out


def random_codes(graph: IntegerGraph, seed: int, images: int = 1) -> Integers:
    """Input codes with many corner values."""
    rng = np.random.default_rng([seed, 99])
    kind = graph.tensors[graph.input]
    return Builder(rng, kind.shape).corners(kind.low, kind.high, (images, *kind.shape))
