"""Every named network."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import partial

from models.network.workloads.convolutional import (
    ds_cnn,
    mobilenet_v1,
    mobilenet_v2,
    resnet,
    resnet_8,
    vgg_11,
    vww,
)
from models.network.workloads.transformers import deit, efficientformer_l1
from models.network.workloads.workload import Workload

_ALL: Mapping[str, Callable[[], Workload]] = {
    "deit-tiny": partial(deit, "deit-tiny", "DeiT-T", 192, 3, 1_254_000_000, 5_717_416),
    "deit-small": partial(deit, "deit-small", "DeiT-S", 384, 6, 4_599_000_000, 22_050_664),
    "deit-base": partial(deit, "deit-base", "DeiT-B", 768, 12, 17_560_000_000, 86_567_656),
    "resnet-18": partial(resnet, "resnet-18", "ResNet-18", (2, 2, 2, 2), bottleneck=False,
                         macs=1_810_000_000, parameters=11_689_512),
    "resnet-50": partial(resnet, "resnet-50", "ResNet-50", (3, 4, 6, 3), bottleneck=True,
                         macs=4_090_000_000, parameters=25_557_032),
    "mobilenet-v1": mobilenet_v1,
    "mobilenet-v2": mobilenet_v2,
    "resnet-8": resnet_8,
    "ds-cnn": ds_cnn,
    "vww": vww,
    "vgg-11": vgg_11,
    "efficientformer-l1": efficientformer_l1,
}  # fmt: skip

WORKLOADS = tuple(_ALL)
"""Names that stand for a network wherever a file of one can be given."""


def find_workload(name: str) -> Workload:
    """The network of this name.

    Raises
    ------
    ValueError
        If there is none; names the closest one.
    """
    if name in _ALL:
        return _ALL[name]()
    close = difflib.get_close_matches(name, WORKLOADS, 1, 0.4)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"network must be a file or one of {', '.join(WORKLOADS)}, not {name!r}{hint}")
