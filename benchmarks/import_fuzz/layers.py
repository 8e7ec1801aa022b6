"""Layers of images and tokens alike: linear ones and elementwise functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.import_fuzz.sketch import Sketch

__all__ = ["UNARY", "clip", "constant", "linear", "minmax", "same_source", "unary"]

UNARY = {
    "Relu": 13, "LeakyRelu": 13, "Sigmoid": 13, "Tanh": 13, "Elu": 13, "Abs": 13, "HardSigmoid": 13,
    "Softplus": 13, "Softsign": 13, "Erf": 13, "Selu": 13, "Celu": 13, "HardSwish": 14, "Mish": 18,
    "Gelu": 20, "Swish": 24, "Neg": 13, "Exp": 13, "Ceil": 13, "Floor": 13, "Round": 13, "Sign": 13,
    "Sin": 13, "Cos": 13,
}  # fmt: skip
"""Elementwise functions, and the first operator set that has them (13: all here)."""


def linear(rng: np.random.Generator, net: Sketch, x: str) -> str:
    shape = net.shapes[x]
    out = int(rng.integers(1, 13))
    ready = bool(rng.random() < 0.93)
    if len(shape) == 2 and rng.random() < 0.6:
        flip = int(rng.random() < 0.5)
        size = (out, shape[-1]) if flip else (shape[-1], out)
        inputs = [x, net.const(rng.normal(0, 0.4, size))]
        if rng.random() < 0.7:
            inputs.append(net.const(rng.normal(0, 0.5, out)))
        return net.add(
            "Gemm", inputs, (shape[0], out), weights={1: 0 if flip else 1}, ready=ready, transB=flip
        )
    weights = net.const(rng.normal(0, 0.4, (shape[-1], out)))
    return net.add("MatMul", [x, weights], (*shape[:-1], out), weights={1: 1}, ready=ready)


def unary(rng: np.random.Generator, net: Sketch, x: str) -> str:
    kinds = [kind for kind, since in UNARY.items() if since <= net.opset]
    kind = str(rng.choice(["Relu"] * 6 + kinds))
    attributes: dict[str, Any] = {}
    if kind == "LeakyRelu":
        attributes["alpha"] = float(rng.choice([0.01, 0.1, 0.3]))
    if kind == "Gelu" and rng.random() < 0.5:
        attributes["approximate"] = "tanh"
    return net.add(kind, [x], net.shapes[x], ready=bool(rng.random() < 0.85), **attributes)


def clip(rng: np.random.Generator, net: Sketch, x: str) -> str:
    low, high = float(rng.choice([0, -1, -0.5])), float(rng.choice([6, 1, 2.5]))
    inputs = [x, net.const(low) if rng.random() < 0.8 else "", net.const(high)]
    return net.add("Clip", inputs, net.shapes[x], ready=bool(rng.random() < 0.7))


def minmax(rng: np.random.Generator, net: Sketch, x: str) -> str:
    kind = str(rng.choice(["Max", "Min"]))
    return net.add(kind, [x, net.const(float(rng.normal(0, 0.5)))], net.shapes[x])


def constant(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """A number, or one a channel, added or multiplied."""
    shape = net.shapes[x]
    kind = str(rng.choice(["Add", "Sub", "Mul", "Div"]))
    axis = 1 if len(shape) == 4 else -1
    size = [1] * len(shape)
    if rng.random() < 0.6:
        size[axis] = shape[axis]
    numbers = rng.normal(0, 0.7, size)
    if kind in ("Mul", "Div"):
        numbers = np.sign(numbers) * (np.abs(numbers) + 0.2)
    pair = [x, net.const(numbers)]
    if kind in ("Add", "Mul") and rng.random() < 0.3:
        pair.reverse()
    note = f"{kind} {'channel' if np.prod(size) > 1 else 'number'}"
    return net.add(kind, pair, shape, note=note, ready=bool(rng.random() < 0.8))


def same_source(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """x * sigmoid(x) and the like, in two nodes."""
    gate = net.add("Sigmoid", [x], net.shapes[x], ready=bool(rng.random() < 0.6))
    kind = str(rng.choice(["Mul", "Add", "Sub"]))
    return net.add(kind, [x, gate], net.shapes[x], note="functions of one tensor")
