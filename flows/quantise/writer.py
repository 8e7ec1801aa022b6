"""Writes the quantised network as an ONNX file in QDQ form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from flows.quantise.calibrated_grids import Grid
from flows.quantise.fitting import Fitted
from flows.quantise.float_layers import Layer
from flows.quantise.float_network import FloatNetwork

__all__ = ["with_quantisers"]


def with_quantisers(
    network: FloatNetwork,
    grids: Mapping[str, Grid],
    fitted: Sequence[tuple[Layer, Fitted]],
    *,
    float_weights: bool = False,
) -> tuple[onnx.ModelProto, dict[str, tuple[str, ...]]]:
    """Return a network with quantisers at ``grids`` and some layers quantised.

    Parameters
    ----------
    grids
        Grids by tensor of the float network.
    float_weights
        Store weights as real numbers instead of levels: the same network, faster to run.

    Returns
    -------
    model
        And the row formats by name of the new initializer.
    """
    writer = _Writer(network, grids)
    writer.write(fitted, float_weights)
    return writer.model(), writer.formats


class _Writer:
    def __init__(self, network: FloatNetwork, grids: Mapping[str, Grid]) -> None:
        self._network = network
        self._grids = grids
        graph = network.model.graph
        self._taken = {name for node in graph.node for name in (*node.input, *node.output)}
        self._taken.update(node.name for node in graph.node)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._renamed: dict[str, str] = {}
        self.formats: dict[str, tuple[str, ...]] = {}

    def write(self, fitted: Sequence[tuple[Layer, Fitted]], float_weights: bool) -> None:
        layers = {layer.position: (layer, found) for layer, found in fitted}
        if self._network.input in self._grids:
            self._quantise(self._network.input, self._network.input)
        for position, original in enumerate(self._network.model.graph.node):
            node = onnx.NodeProto()
            node.CopyFrom(original)
            for place, name in enumerate(node.input):
                node.input[place] = self._renamed.get(name, name)
            made = {name: self._raw_name(name) for name in node.output if name in self._grids}
            for place, name in enumerate(node.output):
                node.output[place] = made.get(name, name)
            if position in layers:
                self._layer(node, *layers[position], float_weights)
            else:
                self._nodes.append(node)
            for name, raw in made.items():
                self._quantise(raw, name)

    def model(self) -> onnx.ModelProto:
        """Return the model without unused initializers."""
        source = self._network.model
        used = {name for node in self._nodes for name in node.input}
        kept = [entry for entry in source.graph.initializer if entry.name in used]
        graph = helper.make_graph(
            self._nodes,
            source.graph.name,
            [entry for entry in source.graph.input if entry.name == self._network.input],
            list(source.graph.output),
            [*kept, *self._constants],
        )
        return helper.make_model(
            graph,
            opset_imports=list(source.opset_import),
            ir_version=source.ir_version,
            producer_name="rowmac",
        )

    def _raw_name(self, name: str) -> str:
        """Return a tensor's name before its quantiser; the network's output needs another one."""
        return self._free(f"{name}_raw") if name == self._network.output else name

    def _quantise(self, tensor: str, name: str) -> None:
        """Add Clip, QuantizeLinear and DequantizeLinear; readers of ``name`` get their result."""
        grid = self._grids[name]
        source = tensor
        if grid.clipped:
            bounds = [
                self._constant(f"{name}_{end}", np.float32(real))
                for end, real in zip(("low", "high"), grid.reals, strict=True)
            ]
            source = self._node("Clip", [source, *bounds], f"{name}_clipped")
        parts = [
            self._constant(f"{name}_scale", np.float32(grid.scale)),
            self._constant(f"{name}_zero_point", np.int8(grid.zero)),
        ]
        codes = self._node("QuantizeLinear", [source, *parts], f"{name}_codes")
        wanted = name if name != tensor else self._free(f"{name}_quantised")
        self._node("DequantizeLinear", [codes, *parts], wanted, fixed=True)
        self._renamed[name] = wanted

    def _layer(
        self, node: onnx.NodeProto, layer: Layer, fitted: Fitted, float_weights: bool
    ) -> None:
        weights: str
        if float_weights:
            weights = self._constant(
                f"{layer.weight}_real", layer.stored(fitted.reals.astype(np.float32))
            )
        else:
            levels = self._constant(
                f"{layer.weight}_levels", layer.stored(fitted.levels.astype(np.int8))
            )
            self.formats[levels] = fitted.formats
            scales = self._constant(f"{levels}_scale", fitted.scales.astype(np.float32))
            zeros = self._constant(f"{levels}_zero_point", np.zeros(layer.rows, dtype=np.int8))
            weights = self._node(
                "DequantizeLinear", [levels, scales, zeros], f"{layer.weight}_real", axis=layer.axis
            )
        node.input[1] = weights
        if layer.bias is None and not fitted.offset.any():
            self._nodes.append(node)
            return
        bias = self._constant(f"{layer.weight}_bias", fitted.offset.astype(np.float32))
        if layer.kind != "MatMul":
            given = [*node.input[:2], bias]
            del node.input[:]
            node.input.extend(given)
            self._nodes.append(node)
            return
        product = self._free(f"{layer.output}_product")
        result = node.output[0]
        node.output[0] = product
        self._nodes.append(node)
        self._node("Add", [product, bias], result, fixed=True)

    def _node(
        self, kind: str, inputs: Sequence[str], output: str, *, fixed: bool = False, **more: Any
    ) -> str:
        name = output if fixed else self._free(output)
        title = self._free(f"{name}_{kind}")
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=title, **more))
        return name

    def _constant(self, wanted: str, value: NDArray[Any] | np.generic) -> str:
        name = self._free(wanted)
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _free(self, wanted: str) -> str:
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name)
        return name
