"""Errors for files in other forms: they name the form, and the way to a QDQ file."""

from __future__ import annotations

from pathlib import Path

import onnx

from flows.onnx_import.network_error import NetworkError

__all__ = ["check_kind", "not_onnx"]

_QONNX_DOMAINS = {"qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"}
_QOPERATORS = {
    "QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearConcat",
    "QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearSoftmax",
    "QGemm", "QAttention",
}  # fmt: skip
_DYNAMIC = {
    "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "ConvInteger",
    "MatMulInteger", "MatMulIntegerToFloat",
}  # fmt: skip
_QUANTISE = "quantise the float network with rowmac quantise, or onnxruntime's quantize_static"


def not_onnx(file: Path) -> NetworkError:
    """Make the error for a file that is not an ONNX model, by its first bytes."""
    try:
        with file.open("rb") as stream:
            head = stream.read(16)
    except OSError as error:
        return NetworkError(f"network {file} must be readable: {error.strerror}")
    if head[4:8] == b"TFL3":
        return NetworkError(
            f"network {file.name} must be an ONNX file in QDQ form, not TensorFlow Lite: convert "
            "the float network to ONNX (tf2onnx) and quantise it with rowmac quantise"
        )
    known = {b"PK\x03\x04": "an archive (a PyTorch checkpoint, .keras or .npz)", b"\x89HDF": "HDF5"}
    kind = known.get(head[:4])
    if kind is not None:
        return NetworkError(
            f"network {file.name} must be an ONNX file in QDQ form, not {kind}: export it first "
            "(torch.onnx.export or tf2onnx)"
        )
    return NetworkError(
        f"network {file.name} must be an ONNX file, not something else or a damaged one"
    )


def check_kind(model: onnx.ModelProto, file: Path) -> None:
    """Refuse an ONNX file that is quantised in another form, or not at all.

    Raises
    ------
    NetworkError
        With the form, the node that shows it, and the way to the QDQ form.
    """
    for node in model.graph.node:
        name = f"{node.op_type} {node.name!r}"
        if node.domain in _QONNX_DOMAINS:
            raise NetworkError(
                f"network {file.name} must be in QDQ form, not QONNX ({name}): convert it with "
                "qonnx's QuantToQCDQ (qonnx.transformation.qonnx_to_qcdq), or export it from "
                "Brevitas by export_onnx_qcdq"
            )
        if node.op_type in _QOPERATORS:
            raise NetworkError(
                f"network {file.name} must be in QDQ form, not QOperator form ({name}): quantise "
                "with quant_format=QuantFormat.QDQ"
            )
        if node.op_type in _DYNAMIC:
            raise NetworkError(
                f"network {file.name} must have fixed scales, not dynamic quantisation ({name}): "
                f"{_QUANTISE}"
            )
    kinds = {node.op_type for node in model.graph.node}
    if not kinds & {"QuantizeLinear", "DequantizeLinear"}:
        raise NetworkError(
            f"network {file.name} must be quantised (QuantizeLinear and DequantizeLinear around "
            f"its operators), not float: {_QUANTISE} with QuantFormat.QDQ"
        )
