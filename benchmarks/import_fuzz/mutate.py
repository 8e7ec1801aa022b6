"""Files with something changed: bytes, or fields of the model."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

__all__ = ["mutated_bytes", "mutated_fields"]

_KINDS = (
    "Sigmoid",
    "Relu",
    "Sqrt",
    "Add",
    "Mul",
    "MatMul",
    "Conv",
    "Dropout",
    "Transpose",
    "Cast",
    "QuantizeLinear",
    "DequantizeLinear",
    "LSTM",
    "Concat",
    "Softmax",
    "Identity",
    "Neg",
)
_TYPES = (TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16,
          TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT8E4M3FN,
          TensorProto.FLOAT16, TensorProto.INT4, TensorProto.DOUBLE)  # fmt: skip


def mutated_bytes(rng: np.random.Generator, content: bytes) -> bytes:
    """A few bytes changed, dropped or doubled."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(data)))
        what = rng.random()
        if what < 0.7:
            data[at] = int(rng.integers(256))
        elif what < 0.85:
            del data[at : at + int(rng.integers(1, 9))]
        else:
            data[at:at] = data[at : at + int(rng.integers(1, 9))]
    return bytes(data)


def mutated_fields(rng: np.random.Generator, content: bytes) -> bytes:
    """One or two fields of a model changed."""
    model = onnx.load_from_string(content)
    for _ in range(int(rng.integers(1, 3))):
        _change(rng, model)
    return bytes(model.SerializeToString())


def _change(rng: np.random.Generator, model: onnx.ModelProto) -> None:
    graph = model.graph
    node = graph.node[rng.integers(len(graph.node))]
    tensor = graph.initializer[rng.integers(len(graph.initializer))]
    what = int(rng.integers(12))
    if what == 0:
        node.op_type = str(rng.choice(_KINDS))
    elif what == 1:
        other = graph.node[rng.integers(len(graph.node))]
        if node.input and other.output:
            node.input[rng.integers(len(node.input))] = other.output[0]
    elif what == 2 and node.input:
        del node.input[int(rng.integers(len(node.input)))]
    elif what == 3:
        tensor.data_type = int(rng.choice(_TYPES))
    elif what == 4 and tensor.dims:
        at = int(rng.integers(len(tensor.dims)))
        tensor.dims[at] = int(rng.choice([0, 1, tensor.dims[at] + 1, 1 << 31, -1]))
    elif what == 5 and node.attribute:
        attribute = node.attribute[rng.integers(len(node.attribute))]
        attribute.i = int(rng.choice([-1, 0, 1, 2, 1 << 40]))
        if attribute.ints:
            attribute.ints[int(rng.integers(len(attribute.ints)))] = int(rng.integers(-2, 9))
    elif what == 6:
        graph.node.remove(node)
    elif what == 7:
        graph.input[0].type.tensor_type.elem_type = int(rng.choice(_TYPES))
    elif what == 8:
        dims = graph.input[0].type.tensor_type.shape.dim
        if dims:
            dims[int(rng.integers(len(dims)))].dim_value = int(rng.choice([0, 2, 10**9, 1 << 31]))
    elif what == 9:
        model.opset_import[0].version = int(rng.integers(0, 30))
    elif what == 10 and tensor.raw_data:
        data = bytearray(tensor.raw_data)
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
        tensor.raw_data = bytes(data)
    elif node.output:
        node.output[0] = str(rng.choice(["", "image", "x" * 3000, "\x1b[31m"]))
