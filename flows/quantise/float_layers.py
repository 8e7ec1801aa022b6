"""Layers with constant weights, each as a matrix of output rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from flows.onnx_import.products import auto_padding
from flows.onnx_import.reader import OnnxNode
from flows.quantise.float_network import FloatNetwork

__all__ = ["Geometry", "Layer", "Reals", "find_layers"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """Window of a convolution; pairs are (vertical, horizontal)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    groups: int


@dataclass(frozen=True, eq=False)
class Layer:
    """A Conv, Gemm or MatMul.

    Attributes
    ----------
    position
        Position of its node in the file.
    weight, bias
        Names of initializers; a layer may have no bias.
    matrix : float array [rows, K]
        K in the order (channel of the group, vertical, horizontal).
    axis
        Axis of the rows in the initializer.
    geometry
        Window of a convolution, else None.
    """

    name: str
    kind: str
    position: int
    input: str
    output: str
    weight: str
    bias: str | None
    matrix: Reals
    offset: Reals
    stored_shape: tuple[int, ...]
    axis: int
    geometry: Geometry | None = None

    @property
    def rows(self) -> int:
        """Number of output rows."""
        return len(self.matrix)

    @property
    def groups(self) -> int:
        """Number of groups of a grouped convolution; rows of one group are neighbours."""
        return 1 if self.geometry is None else self.geometry.groups

    @property
    def needs_zero(self) -> bool:
        """True if the format of its rows must have a level of 0.

        Grouped convolutions need it, as rows read whole words of channels, and so does a layer that
        only selects channels (a shortcut without parameters, written as a convolution).
        """
        picks = bool((np.count_nonzero(self.matrix, axis=1) <= 1).all())
        return self.groups > 1 or (picks and self.matrix.shape[1] > 1)

    def stored(self, matrix: NDArray[np.generic]) -> NDArray[np.generic]:
        """Rearrange ``[rows, K]`` to the shape of the initializer."""
        turned = matrix if self.axis == 0 else matrix.T
        return np.ascontiguousarray(turned.reshape(self.stored_shape))


def find_layers(network: FloatNetwork) -> list[Layer]:
    """Return all layers with constant weights, in the order of the file."""
    shapes = {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*network.model.graph.value_info, *network.model.graph.input)
    }
    found = []
    for position, node in enumerate(network.model.graph.node):
        layer = _layer(network, shapes, node, position)
        if layer is not None:
            found.append(layer)
    return found


def _layer(
    network: FloatNetwork, shapes: dict[str, tuple[int, ...]], node: onnx.NodeProto, position: int
) -> Layer | None:
    if node.op_type not in ("Conv", "Gemm", "MatMul"):
        return None
    weights = network.constants.get(node.input[1])
    if weights is None or node.input[0] in network.constants:
        return None
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    geometry = None
    if node.op_type == "Conv":
        if weights.ndim != 4:
            return None
        axis = 0
        label = OnnxNode(node.op_type, node.name, tuple(node.input), tuple(node.output), attributes)
        geometry = _geometry(label, weights.shape, shapes.get(node.input[0], ()))
    else:
        axis = 0 if node.op_type == "Gemm" and attributes.get("transB", 0) else weights.ndim - 1
    flat = weights.astype(np.float64)
    matrix = flat.reshape(len(flat), -1) if axis == 0 else flat.reshape(-1, flat.shape[-1]).T
    bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
    given = np.zeros(1) if bias is None else network.constants.get(bias)
    if given is None:
        return None
    return Layer(
        name=node.name,
        kind=node.op_type,
        position=position,
        input=node.input[0],
        output=node.output[0],
        weight=node.input[1],
        bias=bias,
        matrix=np.ascontiguousarray(matrix),
        offset=np.broadcast_to(given.astype(np.float64).reshape(-1), len(matrix)).copy(),
        stored_shape=weights.shape,
        axis=axis,
        geometry=geometry,
    )


def _geometry(node: OnnxNode, weights: tuple[int, ...], image: tuple[int, ...]) -> Geometry:
    kernel = weights[2], weights[3]
    stride = tuple(node.attributes.get("strides", (1, 1)))
    dilation = tuple(node.attributes.get("dilations", (1, 1)))
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    top, left, bottom, right = auto_padding(node, image[2:], extent, stride)
    return Geometry(
        kernel=kernel,
        stride=(stride[0], stride[1]),
        dilation=(dilation[0], dilation[1]),
        padding=(top, left, bottom, right),
        groups=node.attributes.get("group", 1),
    )
