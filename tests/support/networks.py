"""Networks that the repository's trainer never saw: torch modules, exported and quantised here."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn
from torch.nn import functional

INT8, UINT8 = QuantType.QInt8, QuantType.QUInt8

Attention: TypeAlias = Callable[[int, int], nn.Module]
"""Makes attention of so many channels and heads."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a user got from torch to a quantised file."""

    dynamo: bool = True
    opset: int = 18
    prepare: bool = True
    activations: QuantType = INT8
    weights: QuantType = INT8
    per_channel: bool = True
    dynamic_batch: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    kinds: tuple[str, ...] | None = None


class FusedAttention(nn.Module):
    """timm's form: one qkv layer, reshape and permute, scaled dot product attention."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        qkv = self.qkv(x).reshape(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        x = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        return self.proj(x.transpose(1, 2).reshape(b, t, c))


class SplitAttention(nn.Module):
    """The textbook form: three layers, scores divided by the root of the width."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        width = c // self.heads
        q, k, v = (
            layer(x).view(b, t, self.heads, width).permute(0, 2, 1, 3)
            for layer in (self.query, self.key, self.value)
        )
        scores = q @ k.transpose(-1, -2) / math.sqrt(width)
        x = torch.softmax(scores, dim=-1) @ v
        return self.proj(x.permute(0, 2, 1, 3).contiguous().view(b, t, c))


class ScaledQueryAttention(nn.Module):
    """Older timm: the query is scaled, q, k, v come apart by chunk, no projection bias."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        width = c // self.heads
        q, k, v = (
            part.reshape(b, t, self.heads, width).transpose(1, 2)
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        scores = (q * width**-0.5) @ k.transpose(-2, -1)
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class TorchAttention(nn.Module):
    """torchvision's form: ``nn.MultiheadAttention``."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(channels, heads, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x, x, x, need_weights=False)[0]


class Layer(nn.Module):
    def __init__(
        self,
        channels: int,
        heads: int,
        hidden: int,
        attention: Attention,
        activation: Callable[[], nn.Module],
        scale: bool,
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attn = attention(channels, heads)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), activation(), nn.Linear(hidden, channels)
        )
        self.gamma = nn.Parameter(torch.linspace(-0.5, 1.5, channels)) if scale else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.attn(self.norm1(x))
        x = x + (y if self.gamma is None else y * self.gamma)
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    """A vision transformer of any shape; ``pooled`` takes the mean of the tokens."""

    def __init__(
        self,
        *,
        size: int = 20,
        patch: int = 5,
        channels: int = 40,
        heads: int = 4,
        depth: int = 2,
        hidden: int = 72,
        classes: int = 7,
        attention: Attention = FusedAttention,
        activation: Callable[[], nn.Module] = nn.GELU,
        pooled: bool = False,
        scale: bool = False,
    ) -> None:
        super().__init__()
        tokens = (size // patch) ** 2
        self.embed = nn.Conv2d(3, channels, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, channels))
        self.place = nn.Parameter(torch.randn(1, tokens + 1, channels) * 0.5)
        self.layers = nn.Sequential(
            *(Layer(channels, heads, hidden, attention, activation, scale) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, classes)
        self.pooled = pooled

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.place
        x = self.norm(self.layers(x))
        return self.head(x[:, 1:].mean(dim=1) if self.pooled else x[:, 0])


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.side: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.side = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.body(x) + self.side(x))


class ResNet(nn.Module):
    """torchvision's kind of stem (7x7 stride 2, max pooling) and bottleneck blocks."""

    def __init__(self, *, flatten: bool = False, classes: int = 6) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 12, 7, 2, 3, bias=False),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        self.body = nn.Sequential(
            Bottleneck(12, 10, 24, 1), Bottleneck(24, 10, 24, 1), Bottleneck(24, 14, 36, 2)
        )
        self.pool = nn.AvgPool2d(2) if flatten else nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(36 * 4 if flatten else 36, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.body(self.stem(x))).flatten(1))


class Mobile(nn.Module):
    """Depthwise convolutions, ReLU6 and hard swish, an average pool with padding."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.Hardswish(),
            nn.Conv2d(16, 16, 3, 1, 1, groups=16),
            nn.ReLU6(),
            nn.Conv2d(16, 24, 1),
            nn.AvgPool2d(3, 2, 1),
            nn.Conv2d(24, 24, 3, 1, 2, dilation=2, groups=4),
            nn.SiLU(),
        )
        self.head = nn.Linear(24, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean((2, 3)))


class _Images(CalibrationDataReader):
    def __init__(self, name: str, images: np.ndarray) -> None:
        self._feeds = iter([{name: image[None]} for image in images])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def images(shape: tuple[int, ...], count: int, seed: int) -> np.ndarray:
    """Smooth random images, so that neighbouring pixels have something to do with each other."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, *shape))
    for axis in (-1, -2):
        x = x + np.roll(x, 1, axis) + np.roll(x, 2, axis)
    return (x / 3).astype(np.float32)


def randomise(model: nn.Module, seed: int) -> nn.Module:
    """Random parameters and statistics, so that no default (0, 1) hides a mistake."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, nn.LayerNorm):
            nn.init.normal_(module.weight, 1.0, 0.2)
            nn.init.normal_(module.bias, std=0.2)
        elif isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.2)
    return model.eval()


def make(model: nn.Module, shape: tuple[int, ...], folder: Path, recipe: Recipe) -> Path:
    """Export and quantise ``model``; the file."""
    plain, prepared, final = (folder / f"{n}.onnx" for n in ("float", "prepared", "quantised"))
    example = (torch.zeros(2 if recipe.dynamic_batch else 1, *shape),)
    extra: dict[str, Any] = {}
    if recipe.dynamic_batch and recipe.dynamo:
        extra["dynamic_shapes"] = ({0: torch.export.Dim("batch", min=1, max=64)},)
    elif recipe.dynamic_batch:
        extra["dynamic_axes"] = {"image": {0: "batch"}}
    if recipe.dynamo:
        extra |= {"external_data": False, "verbose": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            torch.onnx.export(
                model,
                example,
                plain,
                dynamo=recipe.dynamo,
                opset_version=recipe.opset,
                input_names=["image"],
                output_names=["scores"],
                **extra,
            )
            source = plain
            if recipe.prepare:
                quant_pre_process(plain, prepared)
                source = prepared
            quantize_static(
                source,
                final,
                _Images("image", images(shape, 32, 1)),
                quant_format=QuantFormat.QDQ,
                activation_type=recipe.activations,
                weight_type=recipe.weights,
                per_channel=recipe.per_channel,
                op_types_to_quantize=recipe.kinds and list(recipe.kinds),
                extra_options=dict(recipe.options),
            )
        finally:
            logging.disable(logging.NOTSET)
    return final
