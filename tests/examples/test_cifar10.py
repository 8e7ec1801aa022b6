"""ResNet-20 with its shortcuts as convolutions is the published network."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is an optional extra: pip install rowmac[train]")

import numpy as np
import torch
from torch.nn import functional

from examples.cifar10 import data
from examples.cifar10.resnet20 import Block, ResNet20


def test_shortcut_is_every_second_pixel_with_zeros_around_the_channels() -> None:
    torch.manual_seed(0)
    block = Block(16, 32, 2).eval()
    x = torch.randn(2, 16, 8, 8)
    y = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))
    side = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8, 8))
    assert torch.equal(block(x), torch.relu(y + side))


def test_parameters_are_those_of_the_published_network() -> None:
    """0.27 million weights, and none for shortcuts."""
    network = ResNet20()
    assert sum(p.numel() for p in network.parameters()) == 269_722
    assert not any("kept" in name for name in network.state_dict())


def test_data(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no CIFAR-10 in"):
        data.load("test", tmp_path)
    x = np.zeros((2, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "cifar10_test.npz", x=x, y=np.zeros(2, np.uint8))
    images = data.normalise(data.load("test", tmp_path)[0])
    assert images.shape == (2, 3, 32, 32)
    assert images[0, :, 0, 0] == pytest.approx([-2.1179, -2.0357, -1.8044], abs=1e-3)
