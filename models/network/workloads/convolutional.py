"""Convolutional networks by their shapes."""

from __future__ import annotations

from models.network.workloads.workload import Shapes, Workload


def resnet(name: str, title: str, depths: tuple[int, ...], *, bottleneck: bool,
           macs: int, parameters: int) -> Workload:  # fmt: skip
    """ResNet for 224 x 224 images, stride in the 3 x 3 convolution of a bottleneck.

    Source: He et al., CVPR 2016, table 1; counts of the variant PyTorch's model zoo has.
    """
    net = Shapes(224, 224, 3)
    net.convolution("stem", 64, 7, stride=2)
    net.pool("pool", 3, stride=2)
    for stage, depth in enumerate(depths):
        width = 64 << stage
        outputs = 4 * width if bottleneck else width
        for block in range(depth):
            name_of = f"stage{stage}.block{block}"
            stride = 2 if stage and not block else 1
            size, channels = net.size, net.channels
            if stride > 1 or channels != outputs:
                net.convolution(f"{name_of}.shortcut", outputs, 1, stride=stride)
                net.size, net.channels = size, channels
            if bottleneck:
                net.convolution(f"{name_of}.conv1", width, 1)
                net.convolution(f"{name_of}.conv2", width, 3, stride=stride)
                net.convolution(f"{name_of}.conv3", outputs, 1)
            else:
                net.convolution(f"{name_of}.conv1", width, 3, stride=stride)
                net.convolution(f"{name_of}.conv2", width, 3)
            net.add(f"{name_of}.add")
    net.pool("mean")
    net.linear("head", 1000)
    return Workload(
        name=name,
        title=title,
        source="He et al., CVPR 2016",
        layers=tuple(net.layers),
        published_macs=macs,
        published_parameters=parameters,
    )


def mobilenet_v1() -> Workload:
    """MobileNetV1, width 1, 224 x 224. Source: Howard et al., 2017, tables 1 and 4."""
    net = Shapes(224, 224, 3)
    net.convolution("stem", 32, 3, stride=2)
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5,
            (1024, 2), (1024, 1)]  # fmt: skip
    for block, (outputs, stride) in enumerate(plan):
        net.convolution(f"block{block}.depthwise", net.channels, 3, stride=stride,
                        groups=net.channels)  # fmt: skip
        net.convolution(f"block{block}.pointwise", outputs, 1)
    net.pool("mean")
    net.linear("head", 1000)
    return Workload(
        name="mobilenet-v1",
        title="MobileNetV1",
        source="Howard et al., 2017",
        layers=tuple(net.layers),
        published_macs=569_000_000,
        published_parameters=4_231_976,
    )


def mobilenet_v2() -> Workload:
    """MobileNetV2, width 1, 224 x 224. Source: Sandler et al., CVPR 2018, tables 2 and 4."""
    net = Shapes(224, 224, 3)
    net.convolution("stem", 32, 3, stride=2)
    plan = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
            (6, 160, 3, 2), (6, 320, 1, 1)]  # fmt: skip
    for stage, (widen, outputs, depth, stride) in enumerate(plan):
        for block in range(depth):
            name = f"stage{stage}.block{block}"
            channels, step = net.channels, 1 if block else stride
            if widen > 1:
                net.convolution(f"{name}.expand", widen * channels, 1)
            net.convolution(f"{name}.depthwise", net.channels, 3, stride=step, groups=net.channels)
            net.convolution(f"{name}.project", outputs, 1)
            if block:
                net.add(f"{name}.add")
    net.convolution("last", 1280, 1)
    net.pool("mean")
    net.linear("head", 1000)
    return Workload(
        name="mobilenet-v2",
        title="MobileNetV2",
        source="Sandler et al., CVPR 2018",
        layers=tuple(net.layers),
        published_macs=300_000_000,
        published_parameters=3_504_872,
    )


def resnet_8() -> Workload:
    """ResNet-8 on 32 x 32 images: MLPerf Tiny's image classification.

    Source: Banbury et al., NeurIPS 2021 datasets and benchmarks; the count of the reference model
    has batch norm's running statistics in it.
    """
    net = Shapes(32, 32, 3)
    net.convolution("stem", 16, 3, bias=True)
    for stage, width in enumerate((16, 32, 64)):
        stride = 2 if stage else 1
        size, channels = net.size, net.channels
        if stage:
            net.convolution(f"stage{stage}.shortcut", width, 1, stride=2, bias=True, affine=False)
            net.size, net.channels = size, channels
        net.convolution(f"stage{stage}.conv1", width, 3, stride=stride, bias=True)
        net.convolution(f"stage{stage}.conv2", width, 3, bias=True)
        net.add(f"stage{stage}.add")
    net.pool("mean")
    net.linear("head", 10)
    return Workload(
        name="resnet-8",
        title="ResNet-8 (MLPerf Tiny)",
        source="Banbury et al., NeurIPS 2021",
        layers=tuple(net.layers),
        published_macs=12_500_000,
        published_parameters=78_666,
    )


def ds_cnn() -> Workload:
    """DS-CNN for keyword spotting, 49 x 10 features: MLPerf Tiny's reference.

    Source: Zhang et al., 2017 (small variant); Banbury et al., NeurIPS 2021; the count of the
    reference model has batch norm's running statistics in it.
    """
    net = Shapes(49, 10, 1)
    net.convolution("stem", 64, (10, 4), stride=2, bias=True)
    for block in range(4):
        net.convolution(f"block{block}.depthwise", 64, 3, groups=64, bias=True)
        net.convolution(f"block{block}.pointwise", 64, 1, bias=True)
    net.pool("mean")
    net.linear("head", 12)
    return Workload(
        name="ds-cnn",
        title="DS-CNN (MLPerf Tiny keyword spotting)",
        source="Zhang et al., 2017; Banbury et al., NeurIPS 2021",
        layers=tuple(net.layers),
        published_macs=2_700_000,
        published_parameters=24_908,
    )


def vww() -> Workload:
    """MobileNetV1, width 0.25, on 96 x 96 images: MLPerf Tiny's visual wake words.

    Source: Howard et al., 2017; Banbury et al., NeurIPS 2021; the count of the reference model has
    batch norm's running statistics in it.
    """
    net = Shapes(96, 96, 3)
    net.convolution("stem", 8, 3, stride=2, bias=True)
    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2),
            (256, 1)]  # fmt: skip
    for block, (outputs, stride) in enumerate(plan):
        net.convolution(f"block{block}.depthwise", net.channels, 3, stride=stride,
                        groups=net.channels, bias=True)  # fmt: skip
        net.convolution(f"block{block}.pointwise", outputs, 1, bias=True)
    net.pool("mean")
    net.linear("head", 2)
    return Workload(
        name="vww",
        title="MobileNetV1 0.25 (MLPerf Tiny visual wake words)",
        source="Howard et al., 2017; Banbury et al., NeurIPS 2021",
        layers=tuple(net.layers),
        published_macs=7_490_000,
        published_parameters=221_794,
    )


def vgg_11() -> Workload:
    """VGG11 for 224 x 224 images. Source: Simonyan, Zisserman, ICLR 2015, table 1, column A."""
    net = Shapes(224, 224, 3)
    for stage, widths in enumerate(((64,), (128,), (256, 256), (512, 512), (512, 512))):
        for index, outputs in enumerate(widths):
            net.convolution(f"stage{stage}.conv{index}", outputs, 3, bias=True, affine=False)
        net.pool(f"stage{stage}.pool", 2, stride=2)
    # The flattened map's linear layer is a convolution of the map's size.
    net.convolution("head0", 4096, 7, bias=True, affine=False, padded=False)
    net.linear("head1", 4096)
    net.linear("head2", 1000)
    return Workload(
        name="vgg-11",
        title="VGG11",
        source="Simonyan, Zisserman, ICLR 2015",
        layers=tuple(net.layers),
        published_macs=7_610_000_000,
        published_parameters=132_863_336,
    )
