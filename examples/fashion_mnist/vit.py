"""A small vision transformer: 49 patches and a class token, four pre-norm blocks, 96 channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Attention", "Block", "VisionTransformer"]


class Attention(nn.Module):
    """Multi-head self-attention with one fused linear layer for query, key and value."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"channels must be a multiple of heads ({heads}), not {channels}")
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, tokens, channels]`` to the same shape."""
        batch, tokens, channels = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, channels // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(x.transpose(1, 2).reshape(batch, tokens, channels))


class Block(nn.Module):
    """Pre-norm transformer block: attention and a two-layer GELU perceptron, each residual."""

    def __init__(self, channels: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = Attention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, tokens, channels]`` to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.fc2(self.act(self.fc1(self.norm2(x))))


class VisionTransformer(nn.Module):
    """Patch embedding, class token, learned positions, blocks, final norm, linear head.

    Parameters
    ----------
    size, patch
        Side of the square image and of a patch, in pixels; ``patch`` divides ``size``.
    inputs, classes
        Channels of the image; number of classes.
    channels, depth, heads
        Width of a token, number of blocks, number of attention heads.
    ratio
        Hidden width of the perceptron as a multiple of ``channels``.
    """

    def __init__(
        self,
        *,
        size: int = 28,
        patch: int = 4,
        inputs: int = 1,
        classes: int = 10,
        channels: int = 96,
        depth: int = 4,
        heads: int = 3,
        ratio: int = 2,
    ) -> None:
        super().__init__()
        if size % patch:
            raise ValueError(f"size must be a multiple of patch ({patch}), not {size}")
        tokens = (size // patch) ** 2 + 1
        self.patch_embed = nn.Conv2d(inputs, channels, kernel_size=patch, stride=patch)
        self.cls_token = nn.Parameter(torch.randn(1, 1, channels) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, tokens, channels) * 0.02)
        self.blocks = nn.Sequential(
            *(Block(channels, heads, ratio * channels) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, classes)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Image ``[batch, inputs, size, size]`` to logits ``[batch, classes]``."""
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + self.pos_embed
        x = self.norm(self.blocks(x))
        return self.head(x[:, 0])


def _initialise(module: nn.Module) -> None:
    """Truncated normal weights and zero biases, as vision transformers are usually started."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.04)
        nn.init.zeros_(module.bias)
