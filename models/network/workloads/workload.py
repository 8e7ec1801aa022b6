"""A network as a list of layer shapes, and the builder that the definitions share."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.network.workloads.workload_layer import Kind, LayerShape

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A named network.

    Parameters
    ----------
    name, title, source : str
        ``source`` says where shapes and published counts are from.
    layers : tuple of LayerShape
    extra_parameters : int
        Trained numbers that belong to no layer (tokens, position embedding, layer scales).
    published_macs, published_parameters : int
        Multiply-accumulates as the source states them, to its digits; the exact count of the
        network's usual implementation.
    """

    name: str
    title: str
    source: str
    layers: tuple[LayerShape, ...] = field(repr=False)
    extra_parameters: int = 0
    published_macs: int
    published_parameters: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Trained numbers."""
        return self.extra_parameters + sum(layer.parameters for layer in self.layers)

    @property
    def running_statistics(self) -> int:
        """Means and variances of batch norms, which some counts include."""
        return sum(2 * x.outputs for x in self.layers if x.affine and x.kind is Kind.CONVOLUTION)


class Shapes:
    """Collects layers, keeping track of the image's size."""

    def __init__(self, height: int, width: int, channels: int) -> None:
        self.size: Size = (height, width)
        self.channels = channels
        self.layers: list[LayerShape] = []

    def convolution(
        self,
        name: str,
        outputs: int,
        kernel: int | Size = 3,
        *,
        stride: int | Size = 1,
        groups: int = 1,
        bias: bool = False,
        affine: bool = True,
        padded: bool = True,
    ) -> None:
        """A convolution, batch norm included; ``padded`` as PyTorch's ``kernel // 2``."""
        taps = (kernel, kernel) if isinstance(kernel, int) else kernel
        steps = (stride, stride) if isinstance(stride, int) else stride
        rows, width = (
            -(-n // s) if padded else (n - t) // s + 1
            for n, s, t in zip(self.size, steps, taps, strict=True)
        )
        self.layers.append(
            LayerShape(
                name=name,
                kind=Kind.CONVOLUTION,
                rows=rows,
                width=width,
                depth=self.channels,
                outputs=outputs,
                kernel=taps,
                stride=steps,
                groups=groups,
                bias=bias,
                affine=affine,
            )
        )
        self.size, self.channels = (rows, width), outputs

    def linear(self, name: str, outputs: int, *, bias: bool = True) -> None:
        """A linear layer on every position."""
        self._same(name, Kind.LINEAR, outputs=outputs, bias=bias)
        self.channels = outputs

    def norm(self, name: str) -> None:
        """LayerNorm with gain and offset."""
        self._same(name, Kind.NORM, affine=True)

    def add(self, name: str) -> None:
        """Residual addition."""
        self._same(name, Kind.ADD)

    def pool(self, name: str, size: int | None = None, *, stride: int = 1) -> None:
        """A pooling window (None: the whole image), padded."""
        self.size = (1, 1) if size is None else (-(-self.size[0] // stride),
                                                 -(-self.size[1] // stride))  # fmt: skip
        kernel = (1, 1) if size is None else (size, size)
        self._same(name, Kind.POOL, kernel=kernel, stride=(stride, stride))

    def attention(self, name: str, heads: int, key: int, value: int) -> None:
        """Scores, softmax and context of ``heads`` heads, keys and values of so many channels."""
        tokens = self.size[0] * self.size[1]
        for part, kind, depth, outputs in (
            ("scores", Kind.SCORES, key, tokens),
            ("softmax", Kind.SOFTMAX, tokens, tokens),
            ("context", Kind.CONTEXT, tokens, heads * value),
        ):
            self.layers.append(
                LayerShape(
                    name=f"{name}.{part}",
                    kind=kind,
                    rows=1,
                    width=tokens,
                    depth=depth,
                    outputs=outputs,
                    groups=heads,
                )
            )
        self.channels = heads * value

    def tokens(self, count: int) -> None:
        """From here on the image is a list of tokens."""
        self.size = (1, count)

    def _same(
        self,
        name: str,
        kind: Kind,
        *,
        outputs: int | None = None,
        kernel: Size = (1, 1),
        stride: Size = (1, 1),
        bias: bool = False,
        affine: bool = False,
    ) -> None:
        self.layers.append(
            LayerShape(
                name=name,
                kind=kind,
                rows=self.size[0],
                width=self.size[1],
                depth=self.channels,
                outputs=self.channels if outputs is None else outputs,
                kernel=kernel,
                stride=stride,
                bias=bias,
                affine=affine,
            )
        )
