"""Replaces a decomposed layer normalisation by one node.

Below operator set 17 PyTorch exports the steps ``d = x - mean(x)``, ``d / sqrt(mean(d * d) + e)``;
the gain and the offset that follow need no pattern (see :mod:`flows.onnx_import.elementwise`).
Quantisers between the steps are refused: the LayerNorm operator does not round or clip there, and
whether that matters depends on images that the file does not have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.onnx_import.float_operators import FLOAT_TYPES
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.reader import OnnxNetwork, OnnxNode, reachable

__all__ = ["fuse"]


def fuse(network: OnnxNetwork) -> OnnxNetwork:
    """Return the network with each decomposed layer normalisation replaced by one node."""
    matcher = _Matcher(network)
    nodes = []
    for node in network.nodes:
        found = matcher.layer_norm(node)
        nodes.append(node if found is None else found)
    return replace(network, nodes=reachable(nodes, [network.output]))


class _Matcher:
    """Matches backwards from a node, through quantisers and other transparent nodes."""

    def __init__(self, network: OnnxNetwork) -> None:
        self._makers = {name: node for node in network.nodes for name in node.outputs}
        self._constants = network.constants
        self._ranks = network.ranks

    def layer_norm(self, node: OnnxNode) -> OnnxNode | None:
        """Return the LayerNormalization that ends at this Div or Mul, or None."""
        inverse = None
        if node.kind == "Div":
            root = self._maker(node.inputs[1], "Sqrt")
        elif node.kind == "Mul":
            inverse = self._maker(node.inputs[1], "Reciprocal")
            root = None if inverse is None else self._maker(inverse.inputs[0], "Sqrt")
        else:
            return None
        centre = self._maker(node.inputs[0], "Sub")
        if root is None or centre is None:
            return None
        mean = self._maker(centre.inputs[1], "ReduceMean")
        total = self._maker(root.inputs[0], "Add")
        if mean is None or total is None or not self._last_axis(mean):
            return None
        if self._origin(mean.inputs[0]) != self._origin(centre.inputs[0]):
            return None
        epsilon = self._number(total.inputs[1])
        variance = self._maker(total.inputs[0], "ReduceMean")
        if epsilon is None:
            epsilon = self._number(total.inputs[0])
            variance = self._maker(total.inputs[1], "ReduceMean")
        if epsilon is None or variance is None or not self._last_axis(variance):
            return None
        if not self._is_square(variance.inputs[0], centre):
            return None
        links = [centre.inputs[1], *node.inputs, root.inputs[0], *total.inputs, variance.inputs[0]]
        square = self._maker(variance.inputs[0], "Pow") or self._maker(variance.inputs[0], "Mul")
        links += [] if square is None else square.inputs
        links += [] if inverse is None else inverse.inputs
        if any(self._rounded(link) for link in links if self._makers.get(self._origin(link))):
            raise NetworkError(
                f"steps of the layer normalisation that ends at {node.label} must have no "
                "quantisers between them: export with opset_version=17 or newer, where it is one "
                "node, or leave its steps out of op_types_to_quantize"
            )
        return OnnxNode(
            kind="LayerNormalization",
            name=node.name,
            inputs=(centre.inputs[0],),
            outputs=node.outputs,
            attributes={"axis": -1, "epsilon": epsilon},
        )

    def _is_square(self, name: str, centre: OnnxNode) -> bool:
        """Test that a tensor is the square of ``centre``'s result (or of an equal Sub's)."""
        power = self._maker(name, "Pow")
        if power is not None:
            return self._number(power.inputs[1]) == 2 and self._equal(power.inputs[0], centre)
        product = self._maker(name, "Mul")
        return product is not None and all(self._equal(i, centre) for i in product.inputs)

    def _equal(self, name: str, centre: OnnxNode) -> bool:
        other = self._maker(name, "Sub")
        if other is None:
            return False
        return other is centre or all(
            self._origin(a) == self._origin(b)
            for a, b in zip(other.inputs, centre.inputs, strict=True)
        )

    def _last_axis(self, mean: OnnxNode) -> bool:
        axes: Any = mean.attributes.get("axes")
        if axes is None and len(mean.inputs) > 1:
            given = self._array(mean.inputs[1])
            axes = None if given is None else given.tolist()
        last = [[-1]]
        if mean.inputs[0] in self._ranks:
            last.append([self._ranks[mean.inputs[0]] - 1])
        return axes is not None and list(axes) in last and mean.attributes.get("keepdims", 1) == 1

    def _origin(self, name: str) -> str:
        """Return the tensor that this one equals, but for rounding."""
        while (node := self._makers.get(name)) is not None and self._transparent(node):
            name = node.inputs[0]
        return name

    def _rounded(self, name: str) -> bool:
        """Test that a quantiser stands between a tensor and its origin."""
        while (node := self._makers.get(name)) is not None and self._transparent(node):
            if node.kind in ("QuantizeLinear", "DequantizeLinear"):
                return True
            name = node.inputs[0]
        return False

    def _transparent(self, node: OnnxNode) -> bool:
        """Test that a node changes its input by no more than rounding."""
        if node.kind == "Cast":
            return node.attributes["to"] in FLOAT_TYPES
        if node.kind == "DequantizeLinear":
            # Not transparent if it dequantises on another grid than the codes were made on.
            maker = self._makers.get(node.inputs[0])
            return maker is None or (
                maker.kind == "QuantizeLinear" and self._grid(maker) == self._grid(node)
            )
        return node.kind in ("QuantizeLinear", "Identity")

    def _grid(self, node: OnnxNode) -> list[Any]:
        found = [self._constants.get(name) for name in node.inputs[1:] if name]
        numbers = [None if a is None else a.reshape(-1).tolist() for a in found]
        return [*numbers, [0]][:2]

    def _maker(self, name: str, kind: str) -> OnnxNode | None:
        node = self._makers.get(self._origin(name))
        return node if node is not None and node.kind == kind else None

    def _array(self, name: str) -> NDArray[Any] | None:
        return self._constants.get(self._origin(name))

    def _number(self, name: str) -> float | None:
        """Return a constant of one number, dequantised if it is stored as a code; else None."""
        array = self._constants.get(self._origin(name))
        if array is None or array.size != 1:
            return None
        number = float(np.asarray(array).reshape(-1)[0])
        maker = self._makers.get(name)
        if maker is not None and maker.kind == "DequantizeLinear":
            scale = self._constants[maker.inputs[1]]
            zero = self._constants[maker.inputs[2]] if len(maker.inputs) > 2 else np.zeros(1)
            number = (number - float(zero.reshape(-1)[0])) * float(scale.reshape(-1)[0])
        return number
