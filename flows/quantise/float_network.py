"""Reads the float ONNX file to be quantised; folds batch normalisation and infers shapes."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from flows.errors import UserError
from flows.quantise.runtime import require
from flows.work.files import refuse_device

__all__ = ["FloatNetwork", "read_float_network"]

_OPSET_MIN = 13
"""First operator set whose quantisers support one scale per row."""
_QUANTISERS = {
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
}
_PRODUCTS = {"Conv", "Gemm", "MatMul"}


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """A float network with one image as input and one tensor as output.

    Attributes
    ----------
    model
        Nodes in order; constants are initializers.
    shape
        Shape of one image, without the batch axis.
    """

    name: str
    model: onnx.ModelProto
    input: str
    shape: tuple[int, ...]
    output: str
    constants: dict[str, NDArray[Any]]


def read_float_network(path: Path) -> FloatNetwork:
    """Read, check and prepare a file.

    Raises
    ------
    UserError
        If the file is not an ONNX file, is already quantised, has no layers with float weights,
        does not have exactly one input and one output, or has a dynamic shape.
    """
    require()
    refuse_device(path)
    model = _load(path)
    _check(model, path)
    prepared = _prepared(model, path)
    graph = prepared.graph
    constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in constants]
    for what, found in (("input", inputs), ("output", list(graph.output))):
        if len(found) != 1:
            raise UserError(f"network {path.name} must have one {what}, not {len(found)}")
    kind = inputs[0].type.tensor_type
    if kind.elem_type != onnx.TensorProto.FLOAT:
        name = onnx.TensorProto.DataType.Name(kind.elem_type)
        raise UserError(f"input of network {path.name} must be FLOAT, not {name}")
    sizes = [d.dim_value for d in kind.shape.dim]
    if len(sizes) < 2 or any(size < 1 for size in sizes[1:]) or sizes[0] > 1:
        raise UserError(
            f"input of network {path.name} must be one image of fixed shape (a batch of 1, or a "
            f"dynamic one), not {[d.dim_value or d.dim_param or '?' for d in kind.shape.dim]}"
        )
    return FloatNetwork(
        name=path.stem,
        model=prepared,
        input=inputs[0].name,
        shape=tuple(sizes[1:]),
        output=graph.output[0].name,
        constants=constants,
    )


def _load(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path)
    except OSError as error:
        raise UserError(f"cannot read network {path}: {error.strerror or error}") from None
    except Exception:
        raise UserError(
            f"network {path.name} must be an ONNX file, not something else or a damaged one"
        ) from None
    if not model.graph.node:
        raise UserError(f"network {path.name} must be an ONNX file with nodes, not an empty one")
    return model


def _check(model: onnx.ModelProto, path: Path) -> None:
    found = next((node for node in model.graph.node if node.op_type in _QUANTISERS), None)
    if found is not None:
        raise UserError(
            f"network {path.name} must be float, not already quantised ({found.op_type} "
            f"{found.name!r}); rowmac build takes it as it is"
        )
    opset = next((e.version for e in model.opset_import if e.domain in ("", "ai.onnx")), 0)
    if opset < _OPSET_MIN:
        raise UserError(
            f"operator set of network {path.name} must be at least {_OPSET_MIN}, not {opset}"
        )
    if not any(node.op_type in _PRODUCTS for node in model.graph.node):
        raise UserError(
            f"network {path.name} must have layers with float weights (Conv, Gemm or MatMul)"
        )


def _prepared(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Fold batch normalisation into weights, fold constants, and infer shapes."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        target = Path(folder) / "prepared.onnx"
        try:
            quant_pre_process(model, target)
            prepared = onnx.load(target)
        except Exception as error:
            line = " ".join(str(error).split())
            raise UserError(
                f"network {path.name} must be one onnxruntime can run: {line}"
            ) from None
    domains = {node.domain for node in prepared.graph.node} | {""}
    kept = [entry for entry in prepared.opset_import if entry.domain in domains]
    del prepared.opset_import[:]
    prepared.opset_import.extend(kept)
    _constants_to_initializers(prepared)
    _name_nodes(prepared)
    return prepared


def _constants_to_initializers(model: onnx.ModelProto) -> None:
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = onnx.TensorProto()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            model.graph.initializer.append(tensor)
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _name_nodes(model: onnx.ModelProto) -> None:
    """Name unnamed nodes, and remove the exporter's notes."""
    for position, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{position}"
        node.doc_string = ""
        del node.metadata_props[:]
    for value in model.graph.value_info:
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]


@contextlib.contextmanager
def _quiet() -> Any:
    """Silence the advice that onnxruntime's preparation logs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
