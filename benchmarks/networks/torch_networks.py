"""The networks as float torch modules: shapes of their libraries, random weights of one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

__all__ = ["NETWORKS", "Missing", "TorchNetwork"]

SEED = 0


class Missing(RuntimeError):
    """A package that a network comes from is not installed; says which."""


@dataclass(frozen=True, kw_only=True)
class TorchNetwork:
    """A network: how its module is made, the shape of its images, whether it is a transformer.

    ``policy``: of ``rowmac quantise``, instead of onnxruntime's int8.
    """

    make: Callable[[], Any]
    shape: tuple[int, int, int]
    transformer: bool = False
    policy: str | None = None

    def module(self) -> Any:
        """The float module, ready to run.

        Raises
        ------
        Missing
            If a package is not installed.
        """
        try:
            import torch
        except ImportError:
            raise Missing("torch must be installed (extra train)") from None
        torch.manual_seed(SEED)
        return self.make().eval()


def _torchvision() -> Any:
    """The package, also where its compiled operators do not load.

    Those of a build for another torch than the one installed do not; its Python part then wants
    two operators to be known, which no network here uses.
    """
    try:
        import torchvision
    except ImportError:
        raise Missing("torchvision must be installed") from None
    except RuntimeError:
        import torch

        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor a) -> Tensor")
        import torchvision
    return torchvision


def _vision(name: str, **options: Any) -> Any:
    return getattr(_torchvision().models, name)(**options)


def _small_vgg11() -> Any:
    """Of 64 x 64 images: 2 x 2 tokens are left of one, so that the first linear layer has 2,048."""
    from torch import nn

    model = _vision("vgg11", num_classes=10)
    model.avgpool = nn.Identity()
    model.classifier[0] = nn.Linear(512 * 2 * 2, 4096)
    return model


def _timm(name: str) -> Any:
    _torchvision()  # which timm imports
    try:
        import timm
    except ImportError:
        raise Missing("timm must be installed") from None
    model = timm.create_model(name)
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    return model


def _lenet() -> Any:
    """LeCun et al., 1998, with today's ReLU and max pooling."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


_IMAGE, _SMALL = (3, 224, 224), (3, 64, 64)

NETWORKS: dict[str, TorchNetwork] = {
    "lenet": TorchNetwork(make=_lenet, shape=(1, 28, 28)),
    "resnet18_64": TorchNetwork(make=partial(_vision, "resnet18", num_classes=10), shape=_SMALL),
    "vgg11_64": TorchNetwork(make=_small_vgg11, shape=_SMALL),
    **{
        name: TorchNetwork(make=partial(_vision, name), shape=_IMAGE)
        for name in ("mobilenet_v2", "resnet18", "resnet50", "vgg11")
    },
    "resnet18_ilmpq": TorchNetwork(make=partial(_vision, "resnet18"), shape=_IMAGE, policy="ilmpq"),
    **{
        name: TorchNetwork(make=partial(_timm, name), shape=_IMAGE, transformer=True)
        for name in ("deit_tiny_patch16_224", "deit_small_patch16_224")
    },
}
"""By name, small ones first."""
