"""Read and check an ONNX file; give its nodes in order, without what nobody uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, version_converter

from flows.onnx_import.errors import NetworkError
from flows.onnx_import.row_formats import read_row_formats

__all__ = ["OPSET_MAX", "OPSET_MIN", "OnnxNetwork", "OnnxNode", "read_network"]

OPSET_MIN = 13
"""Older files are converted up to this operator set."""
OPSET_MAX = 25
"""Newest operator set whose definitions of the supported operators were checked."""

_CODE_OFFSETS = {onnx.TensorProto.INT8: 0, onnx.TensorProto.UINT8: 128}
_STANDARD_DOMAINS = {"", "ai.onnx"}
_QDQ = {"QuantizeLinear", "DequantizeLinear"}


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One node of the file; an input that is left out is the empty name."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    domain: str = ""

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.kind} {self.name!r}"


@dataclass(frozen=True, eq=False)
class OnnxNetwork:
    """A checked file: one image in, one tensor out, constants and nodes in execution order."""

    name: str
    input: str
    input_shape: tuple[int, ...]
    output: str
    nodes: tuple[OnnxNode, ...]
    constants: dict[str, NDArray[Any]]
    opset: int
    input_offset: int | None
    """128 if the input holds uint8 codes, 0 if int8 codes, None if real numbers."""
    row_formats: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Formats of the rows of weights, by initializer."""


def read_network(path: str | PathLike[str]) -> OnnxNetwork:
    """Read a file.

    Raises
    ------
    NetworkError
        If the file is no ONNX model, is damaged, has another number of inputs or outputs than
        one, a dynamic shape (the batch axis aside), or holds no quantised tensors.
    """
    file = Path(path)
    model = _load(file)
    row_formats = read_row_formats(model, file.name)
    model = _converted(model, file)
    opset = next(e.version for e in model.opset_import if e.domain in _STANDARD_DOMAINS)
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    nodes = reachable(_nodes(model.graph, constants), [o.name for o in model.graph.output])
    if not any(node.kind in _QDQ for node in nodes):
        raise NetworkError(
            f"network {file.name} must be quantised (QuantizeLinear and DequantizeLinear around "
            "its operators), not float: run onnxruntime's quantize_static with QuantFormat.QDQ"
        )
    inputs = [i for i in model.graph.input if i.name not in constants]
    used = {name for node in nodes for name in node.inputs}
    inputs = [i for i in inputs if i.name in used] or inputs
    for what, found in (("input", inputs), ("output", list(model.graph.output))):
        if len(found) != 1:
            names = ", ".join(repr(entry.name) for entry in found)
            raise NetworkError(
                f"network {file.name} must have one {what}, not {len(found)} ({names})"
            )
    return OnnxNetwork(
        name=file.stem,
        input=inputs[0].name,
        input_shape=_input_shape(inputs[0]),
        output=model.graph.output[0].name,
        nodes=nodes,
        constants=constants,
        opset=opset,
        input_offset=_CODE_OFFSETS.get(inputs[0].type.tensor_type.elem_type),
        row_formats=row_formats,
    )


def _load(file: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(file)
    except FileNotFoundError:
        raise NetworkError(f"network {file} must be a file, not a missing path") from None
    except IsADirectoryError:
        raise NetworkError(f"network {file} must be a file, not a folder") from None
    except OSError as error:
        raise NetworkError(f"network {file} must be readable: {error.strerror}") from None
    except Exception:
        raise NetworkError(
            f"network {file.name} must be an ONNX file, not something else or a damaged one"
        ) from None
    if not model.graph.node or not model.opset_import:
        raise NetworkError(f"network {file.name} must be an ONNX file with nodes, not an empty one")
    if any(e.domain not in _STANDARD_DOMAINS for e in model.opset_import):
        foreign = [n for n in model.graph.node if n.domain not in _STANDARD_DOMAINS]
        if foreign:
            node = foreign[0]
            raise NetworkError(
                f"operator of {node.op_type} {node.name!r} must be a standard ONNX operator, not "
                f"one of the domain {node.domain!r}"
            )
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, UnicodeDecodeError) as error:
        first = str(error).strip().splitlines()[0]
        raise NetworkError(f"network {file.name} must be valid ONNX: {first}") from None
    return model


def _converted(model: onnx.ModelProto, file: Path) -> onnx.ModelProto:
    opset = next((e.version for e in model.opset_import if e.domain in _STANDARD_DOMAINS), 0)
    if opset > OPSET_MAX:
        raise NetworkError(
            f"operator set of network {file.name} must be at most {OPSET_MAX}, not {opset}"
        )
    if opset >= OPSET_MIN:
        return model
    try:
        return version_converter.convert_version(model, OPSET_MIN)
    except Exception:
        raise NetworkError(
            f"operator set of network {file.name} must be at least {OPSET_MIN} or convertible to "
            f"it, not {opset}"
        ) from None


def _nodes(graph: onnx.GraphProto, constants: dict[str, NDArray[Any]]) -> list[OnnxNode]:
    nodes = []
    for position, proto in enumerate(graph.node):
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
        if proto.op_type == "Constant":
            constants[proto.output[0]] = _constant(attributes)
            continue
        nodes.append(
            OnnxNode(
                kind=proto.op_type,
                name=proto.name or f"number {position}",
                inputs=tuple(proto.input),
                outputs=tuple(proto.output),
                attributes=attributes,
            )
        )
    return nodes


def _constant(attributes: dict[str, Any]) -> NDArray[Any]:
    (name, value), *_ = attributes.items()
    if name == "value":
        return numpy_helper.to_array(value)
    return np.asarray(value, dtype=np.float32 if "float" in name else np.int64)


def reachable(nodes: list[OnnxNode], outputs: list[str]) -> tuple[OnnxNode, ...]:
    """The nodes that the outputs depend on, in the file's order (which ONNX wants sorted)."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def _input_shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Shape with a batch of one; the batch axis may be dynamic, others not."""
    kind = value.type.tensor_type
    if kind.elem_type not in {*_CODE_OFFSETS, onnx.TensorProto.FLOAT}:
        name = onnx.TensorProto.DataType.Name(kind.elem_type)
        raise NetworkError(f"type of input {value.name!r} must be FLOAT, INT8 or UINT8, not {name}")
    shape = [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim]
    text = "[" + ", ".join(str(size) for size in shape) + "]"
    if not 2 <= len(shape) <= 4:
        raise NetworkError(
            f"shape of input {value.name!r} must be [batch, channels, height, width], "
            f"[batch, tokens, channels] or [batch, channels], not {text}"
        )
    sizes = [1 if axis == 0 and isinstance(size, str) else size for axis, size in enumerate(shape)]
    if any(isinstance(size, str) or size < 1 for size in sizes):
        raise NetworkError(
            f"shape of input {value.name!r} must be fixed but for the batch axis, not {text}"
        )
    if sizes[0] != 1:
        raise NetworkError(f"batch of input {value.name!r} must be 1 or dynamic, not {sizes[0]}")
    return tuple(int(size) for size in sizes)
