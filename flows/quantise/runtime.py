"""Runs float and quantised networks on calibration images, by onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from flows.errors import UserError

__all__ = ["Floats", "Runner", "require", "with_outputs"]

Floats = NDArray[np.float32]
_BATCH = 32
"""Images per batch, if the network's batch axis is dynamic."""


def require() -> Any:
    """Import and return the module ``onnxruntime``.

    Raises
    ------
    UserError
        If onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UserError(
            "rowmac quantise needs onnxruntime: pip install 'rowmac[quantise]'"
        ) from None
    return onnxruntime


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Extract the part of a network that makes the named tensors, which become its outputs."""
    wanted = set(names)
    kept = []
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    part = onnx.ModelProto()
    part.ir_version = model.ir_version
    part.opset_import.extend(model.opset_import)
    part.graph.name = model.graph.name
    part.graph.input.extend(model.graph.input)
    part.graph.node.extend(reversed(kept))
    part.graph.initializer.extend(i for i in model.graph.initializer if i.name in wanted)
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    known = {value.name: value for value in model.graph.value_info}
    known |= {value.name: value for value in (*model.graph.input, *model.graph.output)}
    for value in part.graph.output:
        if value.name in known:
            value.type.CopyFrom(known[value.name].type)
        else:
            value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return part


class Runner:
    """Runs a network without graph optimisation, so that it computes exactly the file's nodes."""

    def __init__(self, model: onnx.ModelProto, outputs: Sequence[str] | None = None) -> None:
        runtime = require()
        options = runtime.SessionOptions()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        # Spinning threads of small networks only take cores from other processes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        part = model if outputs is None else with_outputs(model, outputs)
        self._session = runtime.InferenceSession(
            part.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        (entry,) = self._session.get_inputs()
        self._input = entry.name
        self.batch = 1 if isinstance(entry.shape[0], int) else _BATCH

    def batches(self, images: Floats) -> Iterator[list[Floats]]:
        """Yield all outputs of each batch, in order."""
        for start in range(0, len(images), self.batch):
            yield self._session.run(None, {self._input: images[start : start + self.batch]})

    def outputs(self, images: Floats) -> Floats:
        """Return the first output for all images ``[n, ...]``."""
        return np.concatenate([found[0] for found in self.batches(images)])
