"""Layers of tokens: normalisation, attention, and what moves tokens and channels."""

from __future__ import annotations

import numpy as np

from benchmarks.import_fuzz.layers import unary
from benchmarks.import_fuzz.sketch import Sketch

__all__ = [
    "attention",
    "heads",
    "join",
    "layer_norm",
    "layer_norm_in_steps",
    "position",
    "select",
    "split",
]


def position(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """A constant that differs from token to token."""
    shape = net.shapes[x]
    if len(shape) != 3:
        return unary(rng, net, x)
    numbers = net.const(rng.normal(0, 0.7, shape))
    return net.add("Add", [x, numbers], shape, note="position constant", weights={1: -1})


def layer_norm(rng: np.random.Generator, net: Sketch, x: str) -> str:
    shape = net.shapes[x]
    if shape[-1] < 3 or len(shape) != 3:
        return unary(rng, net, x)
    if net.opset < 17:
        return layer_norm_in_steps(net, x)
    gain = net.const(rng.normal(1, 0.3, shape[-1]))
    offset = net.const(rng.normal(0, 0.3, shape[-1]))
    net.soft = True
    return net.add("LayerNormalization", [x, gain, offset], shape, axis=-1)


def layer_norm_in_steps(net: Sketch, x: str) -> str:
    """As exporters wrote it before there was a node for it."""
    shape = net.shapes[x]
    one = (*shape[:-1], 1)
    net.soft = True
    note = "layer normalisation in steps"
    centre = net.add("Sub", [x, net.add("ReduceMean", [x], one, axes=[-1])], shape, note=note)
    square = net.add("Pow", [centre, net.const(2.0)], shape, note=note)
    variance = net.add("ReduceMean", [square], one, axes=[-1])
    root = net.add("Sqrt", [net.add("Add", [variance, net.const(1e-5)], one, note=note)], one)
    for step in net.steps[-6:]:
        # Between these a quantiser would clip what calibration did not see.
        step.ready, step.bare = False, True
    return net.add("Div", [centre, root], shape, note=note)


def heads(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """Attention of two or three heads: taken apart by reshape, transpose and gather or slice."""
    shape = net.shapes[x]
    if len(shape) != 3:
        return unary(rng, net, x)
    _, tokens, channels = shape
    heads = int(rng.integers(2, 4))
    width = int(rng.integers(1, 5))
    net.soft = True
    inner = heads * width
    parts = []
    for turn in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):
        weights = net.const(rng.normal(0, 0.4, (channels, inner)))
        y = net.add("MatMul", [x, weights], (1, tokens, inner), weights={1: 1})
        target = net.const([1, tokens, heads, width], np.int64)
        y = net.add("Reshape", [y, target], (1, tokens, heads, width), moves=True)
        final = tuple((1, tokens, heads, width)[axis] for axis in turn)
        parts.append(net.add("Transpose", [y], final, moves=True, perm=turn))
    query, keys, values = parts
    scores = net.add("MatMul", [query, keys], (1, heads, tokens, tokens), note="heads")
    if rng.random() < 0.6:
        scale = net.const(width**-0.5)
        scores = net.add("Mul", [scores, scale], (1, heads, tokens, tokens), note="scaled scores")
    soft = net.add("Softmax", [scores], (1, heads, tokens, tokens), axis=-1)
    mixed = net.add("MatMul", [soft, values], (1, heads, tokens, width), note="heads")
    back = (1, tokens, heads, width)
    mixed = net.add("Transpose", [mixed], back, moves=True, perm=[0, 2, 1, 3])
    target = net.const([1, tokens, inner], np.int64)
    mixed = net.add("Reshape", [mixed, target], (1, tokens, inner), moves=True)
    weights = net.const(rng.normal(0, 0.4, (inner, channels)))
    return net.add("MatMul", [mixed, weights], shape, weights={1: 1})


def split(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """The first or the last of two halves of the channels."""
    shape = net.shapes[x]
    if len(shape) != 3 or shape[-1] < 2:
        return unary(rng, net, x)
    half = shape[-1] // 2
    first = bool(rng.random() < 0.5)
    indices = np.arange(half) if first else np.arange(half, shape[-1])
    size = (*shape[:-1], len(indices))
    return net.add("Gather", [x, net.const(indices, np.int64)], size, moves=True, axis=2)


def attention(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """Scores of a tensor with a layer of itself, softmax, context."""
    shape = net.shapes[x]
    if len(shape) != 3:
        return unary(rng, net, x)
    _, tokens, channels = shape
    net.soft = True
    keys = net.add(
        "MatMul", [x, net.const(rng.normal(0, 0.4, (channels, channels)))], shape, weights={1: 1}
    )
    turned = net.add("Transpose", [keys], (1, channels, tokens), moves=True, perm=[0, 2, 1])
    scores = net.add("MatMul", [x, turned], (1, tokens, tokens), note="attention scores")
    weights = net.add("Softmax", [scores], (1, tokens, tokens), axis=-1)
    return net.add("MatMul", [weights, x], shape, note="attention context")


def select(rng: np.random.Generator, net: Sketch, x: str) -> str:
    shape = net.shapes[x]
    if len(shape) != 3 or shape[1] < 2:
        return unary(rng, net, x)
    start = int(rng.integers(0, shape[1] - 1))
    stop = int(rng.integers(start + 1, shape[1] + 1))
    numbers = [net.const([n], np.int64) for n in (start, stop, 1)]
    return net.add("Slice", [x, *numbers], (1, stop - start, shape[2]), moves=True)


def join(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """Tokens of a constant, or of another tensor, before or behind."""
    shape = net.shapes[x]
    if len(shape) != 3:
        return unary(rng, net, x)
    others = [
        n
        for n, s in net.shapes.items()
        if len(s) == 3 and s[2] == shape[2] and n not in (x, "image")
    ]
    if others and rng.random() < 0.5:
        other = str(rng.choice(others))
        extra = net.shapes[other][1]
        note = "Concat tensors"
    else:
        extra = int(rng.integers(1, 3))
        other = net.const(rng.normal(0, 0.8, (1, extra, shape[2])))
        note = "Concat constant"
    pair = [x, other] if rng.random() < 0.5 else [other, x]
    return net.add("Concat", pair, (1, shape[1] + extra, shape[2]), note=note, axis=1)
