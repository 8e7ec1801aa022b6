"""Small float networks, written node by node, and images for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.support.onnx_files import OnnxFile

CNN_SHAPE, VIT_SHAPE = (3, 9, 7), (2, 8, 8)


class FloatFile(OnnxFile):
    """Adds layers with random weights."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0) -> None:
        super().__init__((1, *shape), opset=20)
        self._rng = np.random.default_rng(seed)

    def random(self, *shape: int, spread: float = 1.0, centre: float = 0.0) -> str:
        return self.const(self._rng.normal(centre, spread, shape))

    def conv(
        self,
        x: str,
        inputs: int,
        outputs: int,
        size: int = 3,
        *,
        bias: bool = True,
        **attributes: Any,
    ) -> str:
        spread = (inputs * size * size) ** -0.5
        weights = self.random(outputs, inputs, size, size, spread=spread)
        more = [self.random(outputs, spread=0.1)] if bias else []
        pad = [size // 2] * 4 if "strides" not in attributes or size == 3 else [0] * 4
        made: str = self.add("Conv", x, weights, *more, pads=pad, **attributes)
        return made

    def norm(self, x: str, channels: int) -> str:
        parts = [self.random(channels, spread=0.1, centre=c) for c in (1, 0, 0)]
        return self.add("BatchNormalization", x, *parts, self.const(np.linspace(0.5, 2, channels)))

    def linear(
        self, x: str, inputs: int, outputs: int, *, bias: bool = True, name: str | None = None
    ) -> str:
        y = self.add("MatMul", x, self.random(inputs, outputs, spread=inputs**-0.5), name=name)
        return self.add("Add", y, self.random(outputs, spread=0.1)) if bias else y

    def layer_norm(self, x: str, channels: int) -> str:
        gain, offset = (
            self.random(channels, spread=0.1, centre=1),
            self.random(channels, spread=0.1),
        )
        return self.add("LayerNormalization", x, gain, offset, axis=-1)


def cnn(folder: Path) -> Path:
    """Stem with batch normalisation, a strided residual block with a 1x1 shortcut, pool, head."""
    file = FloatFile(CNN_SHAPE)
    x = file.add("Relu", file.norm(file.conv("image", 3, 20, bias=False), 20))
    y = file.add("Relu", file.conv(x, 20, 24, strides=[2, 2]))
    y = file.conv(y, 24, 24)
    side = file.conv(x, 20, 24, 1, strides=[2, 2], bias=False)
    x = file.add("Relu", file.add("Add", y, side))
    x = file.add("Flatten", file.add("GlobalAveragePool", x))
    weights, bias = file.random(6, 24, spread=0.3), file.random(6)
    return file.save(folder, file.add("Gemm", x, weights, bias, transB=1), name="cnn.onnx")


def vit(folder: Path) -> Path:
    """Patches, class token, positions, one block of two heads with scaled queries and keys."""
    file, channels, heads, tokens = FloatFile(VIT_SHAPE), 24, 2, 5
    x = file.conv("image", 2, channels, 4, strides=[4, 4])
    x = file.add("Reshape", x, file.const([1, channels, -1], np.int64))
    x = file.add("Transpose", x, perm=[0, 2, 1])
    x = file.add("Concat", file.random(1, 1, channels), x, axis=1)
    x = file.add("Add", x, file.random(1, tokens, channels))
    qkv = file.linear(file.layer_norm(x, channels), channels, 3 * channels)
    shape = file.const([1, tokens, 3, heads, channels // heads], np.int64)
    moved = file.add("Transpose", file.add("Reshape", qkv, shape), perm=[2, 0, 3, 1, 4])
    q, k, v = (file.add("Gather", moved, file.const(i, np.int64), axis=0) for i in range(3))
    scale = file.const((channels // heads) ** -0.25)
    k = file.add("Mul", file.add("Transpose", k, perm=[0, 1, 3, 2]), scale)
    scores = file.add("MatMul", file.add("Mul", q, scale), k)
    y = file.add("MatMul", file.add("Softmax", scores, axis=-1), v)
    y = file.add("Transpose", y, perm=[0, 2, 1, 3])
    y = file.add("Reshape", y, file.const([1, tokens, channels], np.int64))
    x = file.add("Add", x, file.linear(y, channels, channels))
    y = file.add("Gelu", file.linear(file.layer_norm(x, channels), channels, 40))
    x = file.layer_norm(file.add("Add", x, file.linear(y, 40, channels)), channels)
    first = file.add("Gather", x, file.const(0, np.int64), axis=1)
    return file.save(folder, file.linear(first, channels, 7), name="vit.onnx")


def images(shape: tuple[int, ...], count: int = 48, seed: int = 1) -> np.ndarray:
    """Smooth random images."""
    x = np.random.default_rng(seed).normal(size=(count, *shape))
    for axis in (-1, -2):
        x = x + np.roll(x, 1, axis)
    return (x / 2).astype(np.float32)


NETWORKS = {"cnn": (cnn, CNN_SHAPE), "vit": (vit, VIT_SHAPE)}
