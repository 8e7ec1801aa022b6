"""Random float networks: images and tokens, every operator that the importer supports."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.import_fuzz.image_layers import batch_norm, convolution, pad, pool
from benchmarks.import_fuzz.layers import UNARY, clip, constant, linear, minmax, same_source, unary
from benchmarks.import_fuzz.sketch import Sketch
from benchmarks.import_fuzz.token_layers import (
    attention,
    heads,
    join,
    layer_norm,
    position,
    select,
    split,
)

__all__ = ["random_sketch"]


def random_sketch(rng: np.random.Generator) -> Sketch:
    """A network of a few operators on an image or on tokens."""
    opset = int(rng.integers(13, 26))
    if rng.random() < 0.6:
        shape: tuple[int, ...] = (1, int(rng.integers(1, 7)), *map(int, rng.integers(4, 11, 2)))
        return _image(rng, Sketch(shape, opset))
    tokens, channels = int(rng.integers(2, 9)), int(rng.integers(2, 13))
    return _tokens(rng, Sketch((1, tokens, channels), opset))


def _image(rng: np.random.Generator, net: Sketch) -> Sketch:
    net.shapes["image"] = net.shape
    x = convolution(rng, net, "image")
    stored: list[str] = [x]
    makers: list[Callable[[np.random.Generator, Sketch, str], str]] = [
        convolution, convolution, unary, unary, constant, batch_norm, pool, pad, clip,
        same_source, minmax,
    ]  # fmt: skip
    for _ in range(int(rng.integers(1, 7))):
        twins = [s for s in stored if s != x and net.shapes[s] == net.shapes[x]]
        if twins and rng.random() < 0.5:
            kind = "Sub" if rng.random() < 0.2 else "Add"
            x = net.add(kind, [x, str(rng.choice(twins))], net.shapes[x], note="residual")
        else:
            x = makers[rng.integers(len(makers))](rng, net, x)
        stored.append(x)
    end = rng.random()
    _, channels, high, wide = net.shapes[x]
    if end < 0.3:
        x = net.add("GlobalAveragePool", [x], (1, channels, 1, 1))
        x = net.add("Flatten", [x], (1, channels), moves=True)
        return _finish(net, linear(rng, net, x))
    if end < 0.45:
        x = net.add("Flatten", [x], (1, channels * high * wide), moves=True)
        return _finish(net, linear(rng, net, x))
    if end < 0.6:
        target = net.const([1, channels, high * wide], np.int64)
        x = net.add("Reshape", [x, target], (1, channels, high * wide), moves=True)
        x = net.add("Transpose", [x], (1, high * wide, channels), moves=True, perm=[0, 2, 1])
        return _tokens(rng, net, x, int(rng.integers(0, 3)))
    return _finish(net, x)


def _tokens(
    rng: np.random.Generator, net: Sketch, x: str = "image", count: int | None = None
) -> Sketch:
    net.shapes.setdefault("image", net.shape)
    makers: list[Callable[[np.random.Generator, Sketch, str], str]] = [
        linear, linear, unary, constant, layer_norm, attention, select, join, clip,
        same_source, position, heads, split,
    ]  # fmt: skip
    stored = [x] if x != "image" else []
    if x == "image":
        x = linear(rng, net, x)
    for _ in range(int(rng.integers(1, 6)) if count is None else count):
        twins = [s for s in stored if s != x and net.shapes[s] == net.shapes[x]]
        if twins and rng.random() < 0.4:
            x = net.add("Add", [x, str(rng.choice(twins))], net.shapes[x], note="residual")
        else:
            x = makers[rng.integers(len(makers))](rng, net, x)
        stored.append(x)
    if rng.random() < 0.3:
        _, tokens, channels = net.shapes[x]
        if net.opset >= 18:
            x = net.add("ReduceMean", [x, net.const([1], np.int64)], (1, channels), keepdims=0)
        else:
            x = net.add("ReduceMean", [x], (1, channels), keepdims=0, axes=[1])
    return _finish(net, linear(rng, net, x))


def _finish(net: Sketch, output: str) -> Sketch:
    """Numbers stay float only where what reads them is folded into what made them."""
    folded = {*UNARY, "Add", "Sub", "Mul", "Div", "BatchNormalization", "Clip", "Max", "Min"}
    for step in net.steps:
        readers = [other for other in net.steps if step.output in other.inputs]
        read_whole = any(r.kind not in folded or r.weights for r in readers)
        if not step.bare and (read_whole or len(readers) != 1):
            step.ready = True
    assert net.steps[-1].output == output
    net.steps[-1].ready = True
    return net
