"""A small residual network: 3x3 stem, stages of 16, 32 and 64 channels, global average pooling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ResidualBlock", "ResidualNetwork"]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a shortcut.

    The shortcut is a 1x1 convolution where the shape changes and the identity elsewhere.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, inputs, height, width]`` to ``[batch, outputs, ...]``, strided."""
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResidualNetwork(nn.Module):
    """Stem, stages, global average pooling, linear head.

    Parameters
    ----------
    widths
        Channels of each stage; every stage but the first starts with stride 2.
    blocks
        Residual blocks of each stage.
    inputs, classes
        Channels of the image; number of classes.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (16, 32, 64),
        blocks: Sequence[int] = (1, 2, 2),
        inputs: int = 1,
        classes: int = 10,
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks):
            raise ValueError(f"blocks must have {len(widths)} entries, not {len(blocks)}")
        self.stem = nn.Conv2d(inputs, widths[0], 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        stages: list[nn.Module] = []
        before = widths[0]
        for index, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for block in range(count):
                stride = 2 if index and not block else 1
                stages.append(ResidualBlock(before, width, stride))
                before = width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Image ``[batch, inputs, height, width]`` to logits ``[batch, classes]``."""
        x = self.stages(torch.relu(self.bn(self.stem(x))))
        return self.head(self.pool(x).flatten(1))
