"""Layer shapes: what an estimate needs to know of a network, without weights."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a layer computes."""

    CONVOLUTION = "convolution"
    LINEAR = "linear"
    SCORES = "attention scores"
    CONTEXT = "attention context"
    ADD = "add"
    NORM = "layer norm"
    SOFTMAX = "softmax"
    POOL = "pool"


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """One operator of a network, for one image.

    Parameters
    ----------
    name : str
    kind : Kind
    rows, width : int
        Output positions: lines and positions a line (tokens: one line).
    depth : int
        Channels that are read (attention: elements a product adds up).
    outputs : int
        Channels that are written.
    kernel, stride : (int, int)
        Vertical, horizontal.
    groups : int
        Groups of channels of a convolution; heads of attention.
    bias, affine : bool
        A bias per output; gain and offset per channel of a normalisation (batch norm included).
    """

    name: str
    kind: Kind
    rows: int
    width: int
    depth: int
    outputs: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: bool = False
    affine: bool = False

    @property
    def positions(self) -> int:
        """Output positions."""
        return self.rows * self.width

    @property
    def weighted(self) -> bool:
        """Whether it has a weight matrix."""
        return self.kind in (Kind.CONVOLUTION, Kind.LINEAR)

    @property
    def product(self) -> bool:
        """Whether the array computes it."""
        return self.weighted or self.kind in (Kind.SCORES, Kind.CONTEXT)

    @property
    def weights(self) -> int:
        """Elements of its weight matrix."""
        if not self.weighted:
            return 0
        return self.outputs * self.depth // self.groups * self.kernel[0] * self.kernel[1]

    @property
    def parameters(self) -> int:
        """Trained numbers, those of a normalisation behind it included."""
        extra = self.outputs * (self.bias + 2 * self.affine)
        return self.weights + extra

    @property
    def macs(self) -> int:
        """Multiply-accumulates of its products."""
        if self.weighted:
            return self.positions * self.weights
        if self.kind is Kind.SCORES:
            return self.groups * self.positions * self.outputs * self.depth
        if self.kind is Kind.CONTEXT:
            return self.positions * self.outputs * self.depth
        return 0
