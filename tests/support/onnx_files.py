"""Small quantised ONNX files, written node by node (no torch needed), and their comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from flows.onnx_import import load_network
from models.network.graph import IntegerGraph, run_graph

IMAGE, TOKENS = (1, 3, 9, 7), (1, 6, 8)
FLOAT, INT8, UINT8 = TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8

Kind = TypeVar("Kind")


class OnnxFile:
    """Collects nodes; every method returns the name of the tensor it made."""

    def __init__(
        self,
        shape: Sequence[int | str] = (1, 4, 8),
        opset: int = 17,
        kind: int = FLOAT,
        code: type[np.integer] = np.int8,
    ) -> None:
        self.shape, self.opset, self.kind, self.code = shape, opset, kind, code
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self._count = 0

    def name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"

    def const(self, value: npt.ArrayLike, kind: npt.DTypeLike = np.float32) -> str:
        name = self.name("const")
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    @overload
    def add(
        self,
        kind: str,
        *inputs: str,
        name: str | None = None,
        outputs: Literal[1] = 1,
        **attributes: Any,
    ) -> str: ...

    @overload
    def add(
        self, kind: str, *inputs: str, name: str | None = None, outputs: int, **attributes: Any
    ) -> list[str]: ...

    def add(
        self, kind: str, *inputs: str, name: str | None = None, outputs: int = 1, **attributes: Any
    ) -> str | list[str]:
        made = [self.name(kind.lower()) for _ in range(outputs)]
        title = name or made[0]
        self.nodes.append(helper.make_node(kind, list(inputs), made, name=title, **attributes))
        return made[0] if outputs == 1 else made

    def quantise(
        self, tensor: str, scale: float = 0.05, zero: int = 0, code: type[np.integer] | None = None
    ) -> str:
        """QuantizeLinear and DequantizeLinear."""
        grid = self.const(scale), self.const(zero, code or self.code)
        codes = self.add("QuantizeLinear", tensor, *grid)
        return self.add("DequantizeLinear", codes, *grid)

    def weights(
        self, shape: tuple[int, ...], seed: int = 0, scale: float = 0.02, axis: int | None = None
    ) -> str:
        """Random int8 weights behind a DequantizeLinear."""
        rng = np.random.default_rng(seed)
        codes = self.const(rng.integers(-127, 128, shape), np.int8)
        if axis is None:
            return self.add("DequantizeLinear", codes, self.const(scale), self.const(0, np.int8))
        scales = rng.uniform(0.5 * scale, 2 * scale, shape[axis])
        zeros = self.const(np.zeros(shape[axis]), np.int8)
        return self.add("DequantizeLinear", codes, self.const(scales), zeros, axis=axis)

    def save(
        self,
        folder: Path,
        *outputs: str,
        name: str = "network.onnx",
        check: bool = True,
        output_kind: int = FLOAT,
    ) -> Path:
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("image", self.kind, self.shape)],
            [helper.make_tensor_value_info(o, output_kind, None) for o in outputs],
            self.constants,
        )
        opset = helper.make_opsetid("", self.opset)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
        # Gives the outputs their shapes, which a valid file must have.
        model = onnx.shape_inference.infer_shapes(model)
        if check:
            onnx.checker.check_model(model)
        path = folder / name
        onnx.save(model, path)
        return path


def compare(path: Path, count: int = 16, seed: int = 0) -> tuple[float, IntegerGraph]:
    """Largest difference in output codes, and the graph."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    shape = session.get_inputs()[0].shape
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 1.5, (count, *shape[1:])).astype(np.float32)
    want = np.concatenate([session.run(None, {"image": image[None]})[0] for image in images])
    graph = load_network(path)
    order = (0, 2, 3, 1) if images.ndim == 4 else range(images.ndim)
    codes = graph.tensors[graph.input].quantize(images.transpose(order))
    kind = graph.tensors[graph.output]
    got = kind.dequantize(run_graph(graph, codes.reshape(count, *graph.tensors[graph.input].shape)))
    if want.ndim == 4:
        want = want.transpose(0, 2, 3, 1)
    steps = np.abs(got.reshape(want.shape) - want) / kind.scale
    assert want.std() > 5 * kind.scale
    return float(np.rint(steps.max())), graph


def first_operator(graph: IntegerGraph, kind: type[Kind]) -> Kind:
    """That of the first node, which is of a kind."""
    operator = graph.nodes[0].operator
    assert isinstance(operator, kind)
    return operator


def only(graph: IntegerGraph, kind: type[Kind]) -> Kind:
    """The one operator of a kind."""
    found = [node.operator for node in graph.nodes if isinstance(node.operator, kind)]
    assert len(found) == 1
    return found[0]
