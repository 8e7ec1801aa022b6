"""ResNet-20 for CIFAR-10 from published weights: ``python -m examples.cifar10.resnet20 FILE.th``.

The network of He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), section 4.2,
with its parameter-free shortcuts: every second pixel, and zeros for the channels that are new. As a
1x1 convolution of stride 2 with weights 0 and 1 that is the same in every bit, and one operator.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.cifar10.data import FOLDER
from examples.fashion_mnist.quantise import export

__all__ = ["ResNet20", "load_weights"]


class Block(nn.Module):
    """Two 3x3 convolutions with batch normalisation, and the shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        if stride != 1 or inputs != outputs:
            kept = torch.zeros(outputs, inputs, 1, 1)
            before = (outputs - inputs) // 2
            kept[before : before + inputs, :, 0, 0] = torch.eye(inputs)
            self.register_buffer("kept", kept, persistent=False)
        else:
            self.kept = None

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, inputs, height, width]`` to ``[batch, outputs, ...]``, strided."""
        y = torch.relu(self.bn1(self.conv1(x)))
        side = x if self.kept is None else functional.conv2d(x, self.kept, stride=self.stride)
        return torch.relu(self.bn2(self.conv2(y)) + side)


class ResNet20(nn.Module):
    """Three stages of three blocks: 16, 32 and 64 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16, 1) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Image ``[batch, 3, 32, 32]`` to logits ``[batch, 10]``."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(functional.adaptive_avg_pool2d(x, 1).flatten(1))


def load_weights(path: Path) -> ResNet20:
    """The network with weights of a checkpoint whose ``state_dict`` was saved from several GPUs."""
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    network = ResNet20()
    network.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    return network.eval()


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="export ResNet-20 as float ONNX")
    parser.add_argument("weights", type=Path, help="checkpoint of the published weights")
    parser.add_argument("--output", type=Path, default=FOLDER / "resnet20_float.onnx")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    export(load_weights(options.weights), (3, 32, 32), options.output)


if __name__ == "__main__":
    main()
