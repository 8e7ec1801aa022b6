"""Layers of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.import_fuzz.layers import constant, unary
from benchmarks.import_fuzz.sketch import Sketch

__all__ = ["batch_norm", "convolution", "pad", "pool"]


def convolution(rng: np.random.Generator, net: Sketch, x: str) -> str:
    _, channels, high, wide = net.shapes[x]
    kernel = [int(k) for k in rng.choice([1, 2, 3, 5], 2)]
    kernel = [kernel[0]] * 2 if rng.random() < 0.8 else kernel
    stride = [int(rng.integers(1, 3))] * 2
    dilation = [int(rng.choice([1, 1, 1, 2]))] * 2
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    attributes: dict[str, Any] = {"strides": stride, "dilations": dilation}
    if rng.random() < 0.2:
        attributes["auto_pad"] = str(rng.choice(["SAME_UPPER", "SAME_LOWER"]))
        attributes["dilations"] = [1, 1]
        tall, broad = (-(-n // s) for n, s in zip((high, wide), stride, strict=True))
    else:
        pads = [int(rng.integers(0, (e + 1) // 2 + 1)) for e in (*extent, *extent)]
        spans = [n + pads[i] + pads[i + 2] - extent[i] for i, n in enumerate((high, wide))]
        if min(spans) < 0:
            return unary(rng, net, x)
        attributes["pads"] = pads
        tall, broad = (span // s + 1 for span, s in zip(spans, stride, strict=True))
    divisors = [g for g in range(1, channels + 1) if channels % g == 0]
    groups = int(rng.choice(divisors)) if rng.random() < 0.3 else 1
    out = groups * int(rng.integers(1, 1 + max(1, 8 // groups)))
    if groups > 1:
        attributes["group"] = groups
        net.notes.add("groups")
    weights = rng.normal(0, 0.4, (out, channels // groups, *kernel))
    if rng.random() < 0.15:
        weights[rng.integers(out)] = 0
        net.notes.add("zero weights")
    inputs = [x, net.const(weights)]
    if rng.random() < 0.7:
        inputs.append(net.const(rng.normal(0, 0.5, out)))
    return net.add(
        "Conv", inputs, (1, out, tall, broad), weights={1: 0},
        ready=bool(rng.random() < 0.93), **attributes,
    )  # fmt: skip


def batch_norm(rng: np.random.Generator, net: Sketch, x: str) -> str:
    shape = net.shapes[x]
    channels = shape[1]
    numbers = [
        rng.normal(1, 0.3, channels), rng.normal(0, 0.5, channels), rng.normal(0, 0.5, channels),
        rng.uniform(0.3, 1.5, channels),
    ]  # fmt: skip
    if rng.random() < 0.2:
        numbers[0][rng.integers(channels)] = float(rng.choice([0, 1e-4, 1e-7]))
        net.notes.add("near-dead channel")
    return net.add(
        "BatchNormalization", [x, *(net.const(n) for n in numbers)], shape,
        ready=bool(rng.random() < 0.8),
    )  # fmt: skip


def pool(rng: np.random.Generator, net: Sketch, x: str) -> str:
    _, channels, high, wide = net.shapes[x]
    kernel = [int(rng.integers(1, 4))] * 2
    stride = [int(rng.integers(1, 3))] * 2
    pads = [int(rng.integers(0, kernel[0])) if rng.random() < 0.3 else 0 for _ in range(4)]
    spans = [n + pads[i] + pads[i + 2] - kernel[i] for i, n in enumerate((high, wide))]
    if min(spans) < 0:
        return unary(rng, net, x)
    shape = (1, channels, *(span // s + 1 for span, s in zip(spans, stride, strict=True)))
    more: dict[str, Any] = {"kernel_shape": kernel, "strides": stride, "pads": pads}
    if rng.random() < 0.5:
        return net.add("MaxPool", [x], shape, **more)
    return net.add("AveragePool", [x], shape, count_include_pad=int(rng.random() < 0.5), **more)


def pad(rng: np.random.Generator, net: Sketch, x: str) -> str:
    _, channels, high, wide = net.shapes[x]
    pads = [int(n) for n in rng.integers(0, 2, 4)]
    given = net.const([0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]], np.int64)
    shape = (1, channels, high + pads[0] + pads[2], wide + pads[1] + pads[3])
    x = net.add("Pad", [x, given], shape)
    if rng.random() < 0.4:
        between = (unary, constant, batch_norm)[rng.integers(3)]
        x = between(rng, net, x)
    return convolution(rng, net, x) if rng.random() < 0.7 else pool(rng, net, x)
