"""Vision transformers by their shapes."""

from __future__ import annotations

from models.network.workloads.workload import Shapes, Workload

_PATCHES = 14 * 14


def deit(name: str, title: str, width: int, heads: int, macs: int, parameters: int) -> Workload:
    """DeiT (without distillation token): 12 blocks on 197 tokens of a 224 x 224 image.

    Source: Touvron et al., ICML 2021, table 1; counts of multiply-accumulates for 197 tokens.
    """
    net = Shapes(224, 224, 3)
    net.convolution("patches", width, 16, stride=16, bias=True, affine=False, padded=False)
    net.tokens(_PATCHES + 1)
    for block in range(12):
        name_of = f"block{block}"
        net.norm(f"{name_of}.norm1")
        net.linear(f"{name_of}.qkv", 3 * width)
        net.attention(f"{name_of}.attention", heads, width // heads, width // heads)
        net.linear(f"{name_of}.projection", width)
        net.add(f"{name_of}.add1")
        net.norm(f"{name_of}.norm2")
        net.linear(f"{name_of}.mlp1", 4 * width)
        net.linear(f"{name_of}.mlp2", width)
        net.add(f"{name_of}.add2")
    net.norm("norm")
    net.tokens(1)
    net.linear("head", 1000)
    return Workload(
        name=name,
        title=title,
        source="Touvron et al., ICML 2021",
        layers=tuple(net.layers),
        # Class token and position embedding.
        extra_parameters=width * (_PATCHES + 2),
        published_macs=macs,
        published_parameters=parameters,
    )


def efficientformer_l1() -> Workload:
    """EfficientFormer-L1: convolutional stages with pooling as mixer, one attention block.

    Source: Li et al., NeurIPS 2022, table 1 and appendix.
    """
    widths, depths = (48, 96, 224, 448), (3, 2, 6, 4)
    net = Shapes(224, 224, 3)
    net.convolution("stem1", widths[0] // 2, 3, stride=2, bias=True)
    net.convolution("stem2", widths[0], 3, stride=2, bias=True)
    scales = 0
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        if stage:
            net.convolution(f"embed{stage}", width, 3, stride=2, bias=True)
        last = stage == len(widths) - 1
        for block in range(depth):
            name = f"stage{stage}.block{block}"
            scales += 2 * width
            if last and block == depth - 1:
                tokens = net.size[0] * net.size[1]
                net.tokens(tokens)
                net.norm(f"{name}.norm1")
                net.linear(f"{name}.qkv", 2 * 8 * 32 + 8 * 128)
                net.attention(f"{name}.attention", 8, 32, 128)
                net.linear(f"{name}.projection", width)
                net.add(f"{name}.add1")
                net.norm(f"{name}.norm2")
                net.linear(f"{name}.mlp1", 4 * width)
                net.linear(f"{name}.mlp2", width)
                net.add(f"{name}.add2")
                continue
            net.pool(f"{name}.mixer", 3)
            net.add(f"{name}.add1")
            net.convolution(f"{name}.mlp1", 4 * width, 1, bias=True)
            net.convolution(f"{name}.mlp2", width, 1, bias=True)
            net.add(f"{name}.add2")
    net.norm("norm")
    net.pool("pool")
    for head in ("head", "distillation head"):
        net.channels = widths[-1]
        net.linear(head, 1000)
    return Workload(
        name="efficientformer-l1",
        title="EfficientFormer-L1",
        source="Li et al., NeurIPS 2022",
        layers=tuple(net.layers),
        # Layer scales, and the attention bias of every head and offset of a 7 x 7 grid.
        extra_parameters=scales + 8 * 49,
        published_macs=1_300_000_000,
        published_parameters=12_289_928,
    )
