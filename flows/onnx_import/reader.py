"""Reads and checks an ONNX file; yields its nodes in order, without unused ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, version_converter
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from flows.onnx_import.foreign import check_kind, not_onnx
from flows.onnx_import.import_limits import NODES_MAX, check_elements
from flows.onnx_import.network_error import NetworkError, shape_text
from flows.onnx_import.row_formats import read_row_formats

__all__ = ["OPSET_MAX", "OPSET_MIN", "OnnxNetwork", "OnnxNode", "read_network", "self_contained"]

OPSET_MIN = 13
"""Lowest operator set; older files are converted to it."""
OPSET_MAX = 25
"""Newest operator set against whose definitions the supported operators were checked."""

_INPUT_KINDS = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.UINT8: "uint8",
}
_PACKED_BITS: dict[int, int] = {
    onnx.TensorProto.INT4: 4,
    onnx.TensorProto.UINT4: 4,
    onnx.TensorProto.INT2: 2,
    onnx.TensorProto.UINT2: 2,
}
_STANDARD_DOMAINS = {"", "ai.onnx"}
_LARGEST = 1 << 31
"""Bytes from which on a file is too large for a protocol buffer."""


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One node of the file; an omitted input has an empty name."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    domain: str = ""

    @property
    def label(self) -> str:
        """Name of the node in messages."""
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
    input_kind: str
    """Type of the input: ``float32``, or ``int8`` or ``uint8`` if it is codes."""
    ranks: dict[str, int] = field(default_factory=dict)
    """Number of axes of each tensor, if known."""
    row_formats: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Formats of the rows of weights, by initializer."""


def read_network(path: str | PathLike[str]) -> OnnxNetwork:
    """Read and check a file.

    Raises
    ------
    NetworkError
        If the file is not an ONNX model, is damaged, is not quantised in QDQ form, does not have
        exactly one input and one output, or has a dynamic shape (except for the batch axis).
    """
    file = Path(path)
    model = _load(file)
    row_formats = read_row_formats(model, file.name)
    model = _converted(model, file)
    opset = next(e.version for e in model.opset_import if e.domain in _STANDARD_DOMAINS)
    constants = {i.name: _array(i, f"initializer {i.name!r}") for i in model.graph.initializer}
    nodes = reachable(_nodes(model.graph, constants), [o.name for o in model.graph.output])
    if len(nodes) > NODES_MAX:
        raise NetworkError(
            f"network {file.name} must have at most {NODES_MAX:,} nodes, not {len(nodes):,}"
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
        input_kind=_INPUT_KINDS[inputs[0].type.tensor_type.elem_type],
        ranks=_ranks(model),
        row_formats=row_formats,
    )


def self_contained(path: str | PathLike[str]) -> bytes:
    """Return the file's bytes with its external data embedded.

    Raises
    ------
    NetworkError
        If the file cannot be read, or is too large with its data.
    """
    file = Path(path)
    model = _load(file)
    try:
        outside = onnx.load(file, load_external_data=False)
        if not any(uses_external_data(i) for i in _tensors(outside)):
            return file.read_bytes()
        return bytes(model.SerializeToString(deterministic=True))
    except ValueError:
        raise NetworkError(
            f"network {file.name} with its external data must be at most 2 GB"
        ) from None


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        yield from (a.t for a in node.attribute if a.HasField("t"))


def _load(file: Path) -> onnx.ModelProto:
    if file.is_dir():
        raise NetworkError(f"network {file} must be a file, not a folder")
    if not file.is_file():
        what = "a device or pipe" if file.exists() else "a missing path"
        raise NetworkError(f"network {file} must be a file, not {what}")
    try:
        if file.stat().st_size >= _LARGEST:
            raise NetworkError(f"network {file.name} must be at most 2 GB, as protocol buffers are")
        model = onnx.load(file, load_external_data=False)
    except OSError as error:
        raise NetworkError(f"network {file} must be readable: {error.strerror}") from None
    except NetworkError:
        raise
    except Exception:
        # The parser's errors have no common class.
        raise not_onnx(file) from None
    if not model.graph.node and not model.opset_import:
        raise not_onnx(file)
    if not model.graph.node or not model.opset_import:
        raise NetworkError(f"network {file.name} must be an ONNX file with nodes, not an empty one")
    check_kind(model, file)
    foreign = [n for n in model.graph.node if n.domain not in _STANDARD_DOMAINS]
    if foreign:
        node = foreign[0]
        raise NetworkError(
            f"operator of {node.op_type} {node.name!r} must be a standard ONNX operator, not "
            f"one of the domain {node.domain!r}"
        )
    try:
        load_external_data_for_model(model, str(file.parent))
    except Exception as error:
        # Missing files, wrong lengths, paths outside the folder: each has its own error class.
        raise NetworkError(
            f"external data of network {file.name} must be where the file says: {error}"
        ) from None
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        # ValidationError, TypeError, InferenceError, UnicodeDecodeError, and protobuf's own.
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NetworkError(f"network {file.name} must be valid ONNX: {first}") from None
    for info in model.graph.value_info:
        if info.type.WhichOneof("value") == "tensor_type" and not info.type.tensor_type.elem_type:
            raise NetworkError(
                f"network {file.name} must be valid ONNX: type of {info.name!r} is undefined"
            )
    return model


def _array(tensor: onnx.TensorProto, label: str) -> NDArray[Any]:
    """Return the numbers of a tensor; refuse it if its bytes do not fit its type and shape."""
    try:
        if tensor.data_type in _PACKED_BITS:
            # The library pads or truncates packed types without an error: check their size here.
            size = -(-math.prod(tensor.dims) * _PACKED_BITS[tensor.data_type] // 8)
            found = len(tensor.raw_data) or len(tensor.int32_data)
            if found != size:
                raise ValueError(f"{found} bytes, not {size}")
        return numpy_helper.to_array(tensor)
    except Exception as error:
        # The errors of numpy and of the library have no common class.
        raise NetworkError(
            f"{label} must have as many numbers as its shape {shape_text(list(tensor.dims))} "
            f"says: {error}"
        ) from None


def _ranks(model: onnx.ModelProto) -> dict[str, int]:
    """Return the number of axes of each tensor for which shape inference knows it."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:
        # Without ranks, only decomposed layer normalisations may be missed.
        return {}
    return {
        info.name: len(info.type.tensor_type.shape.dim)
        for info in (*graph.input, *graph.value_info, *graph.output)
        if info.type.tensor_type.HasField("shape")
    }


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
        # The converter's errors have no common class.
        raise NetworkError(
            f"operator set of network {file.name} must be at least {OPSET_MIN} or convertible to "
            f"it, not {opset}"
        ) from None


def _nodes(graph: onnx.GraphProto, constants: dict[str, NDArray[Any]]) -> list[OnnxNode]:
    nodes = []
    for position, proto in enumerate(graph.node):
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
        if proto.op_type == "Constant":
            label = f"Constant {proto.output[0]!r}"
            constants[proto.output[0]] = _constant(attributes, label)
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


def _constant(attributes: dict[str, Any], label: str) -> NDArray[Any]:
    (name, value), *_ = [*attributes.items(), ("nothing", None)]
    if name == "value":
        return _array(value, label)
    if name not in ("value_float", "value_floats", "value_int", "value_ints"):
        raise NetworkError(f"{label} must hold a tensor or numbers, not {name}")
    return np.asarray(value, dtype=np.float32 if "float" in name else np.int64)


def reachable(nodes: list[OnnxNode], outputs: list[str]) -> tuple[OnnxNode, ...]:
    """Return the nodes that the outputs depend on, in the file's order (topological, by ONNX)."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def _input_shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Return the input's shape with a batch of one; only the batch axis may be dynamic."""
    kind = value.type.tensor_type
    if kind.elem_type not in _INPUT_KINDS:
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
    check_elements(f"input {value.name!r}", [int(size) for size in sizes])
    if sizes[0] != 1:
        raise NetworkError(f"batch of input {value.name!r} must be 1 or dynamic, not {sizes[0]}")
    return tuple(int(size) for size in sizes)
