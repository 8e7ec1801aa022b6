"""CMSIS-NN unit-test cases (8-bit activations) as integer networks, double rounding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from models.network.graph import Constant, IntegerGraph, Node, Operator
from models.numerics.quantized import TensorType
from models.numerics.rescale import Integers, Rounding
from models.ops.attention import AttentionScores
from models.ops.convolution import Convolution
from models.ops.pool import MaxPool, Window, average_pool_spec
from models.ops.requantize import Requantize
from tests.support.oracles.case import Case, data_folder

LEFT_OUT = {
    "16-bit activations": ("s16", "int16", "int16xint8", "int16xint8xint32"),
    "an operator the machine does not have": (
        "maximum", "minimum", "mul", "softmax", "transpose", "reverse_transpose",
    ),
    "a network of several layers in C structures": ("ds_cnn_s",),
}  # fmt: skip
"""Cases without a counterpart. ``softmax`` is the fixed-point exponential of gemmlowp; ours is by
table. ``add`` exists for 16 bits only."""


def reason_left_out(name: str) -> str | None:
    """Why a case is not taken, or None if it is."""
    for reason, marks in LEFT_OUT.items():
        if any(mark in name.split("_") or name.startswith(mark) for mark in marks):
            return reason
    return None


def load_cases() -> list[Case]:
    """Every case that has a counterpart here."""
    folder = data_folder("cmsis_nn")
    parameters = json.loads((folder / "cases.json").read_text())
    arrays = np.load(folder / "cmsis_nn_vectors.npz")
    grouped: dict[str, dict[str, Integers]] = {}
    for key in arrays.files:
        name, array = key.split("/", 1)
        grouped.setdefault(name, {})[array] = arrays[key].astype(np.int64)
    cases = []
    for name, values in parameters.items():
        if reason_left_out(name) is None:
            cases.append(_case(name, values, grouped[name]))
    return cases


def _case(name: str, p: Mapping[str, Any], a: Mapping[str, Integers]) -> Case:
    if "batch_matmul" in name:
        return _batch_matmul(name, p, a)
    if "pool" in name:
        return _pool(name, p, a)
    if "fully_connected" in name or name.startswith("fc_"):
        return _fully_connected(name, p, a)
    return _convolution(name, p, a)


def _first(a: Mapping[str, Integers], *names: str) -> Integers | None:
    return next((a[n] for n in names if n in a), None)


def _weights(name: str, a: Mapping[str, Integers], count: int) -> Integers:
    """Weights of 8 bits, or of 4 bits two in a byte, lower half first."""
    raw = _first(a, "weights", "input_weights")
    assert raw is not None
    if "int4" not in name:
        return raw[:count]
    both = np.stack([raw & 15, (raw >> 4) & 15], axis=1).reshape(-1)[:count]
    return (both ^ 8) - 8


def _requantize(p: Mapping[str, Any], a: Mapping[str, Integers], channels: int) -> Requantize:
    multiplier = _first(a, "output_mult", "output_multiplier")
    shift = _first(a, "output_shift")
    bias = _first(a, "biases", "bias", "input_bias")
    if multiplier is None or shift is None:
        multiplier = np.array([p["OUTPUT_MULTIPLIER"]])
        shift = np.array([p["OUTPUT_SHIFT"]])
    return Requantize(
        bias=np.zeros(1, dtype=np.int64) if bias is None else bias[:channels],
        multiplier=multiplier,
        shift=31 - shift,
        rounding=Rounding.DOUBLE,
        zero_point=p["OUTPUT_OFFSET"],
        low=p.get("OUT_ACTIVATION_MIN", p.get("ACTIVATION_MIN")),
        high=p.get("OUT_ACTIVATION_MAX", p.get("ACTIVATION_MAX")),
    )


def _single(
    name: str, kind: str, operator: Operator, codes: Integers, want: Integers,
    other: Integers | None = None,
) -> Case:  # fmt: skip
    tensors = {
        "input": TensorType(shape=codes.shape[1:]),
        "output": TensorType(shape=want.shape[1:]),
    }
    nodes = []
    inputs: tuple[str, ...] = ("input",)
    if other is not None:
        tensors["other"] = TensorType(shape=other.shape)
        nodes.append(Node(name="other", operator=Constant(codes=other), inputs=(), output="other"))
        inputs = ("input", "other")
    nodes.append(Node(name=name, operator=operator, inputs=inputs, output="output"))
    graph = IntegerGraph(
        name=name, input="input", output="output", tensors=tensors, nodes=tuple(nodes)
    )
    return Case(name=name, kind=kind, graph=graph, codes=codes, expected={"output": want})


def _convolution(name: str, p: Mapping[str, Any], a: Mapping[str, Integers]) -> Case:
    out, depth = p["OUT_CH"], p["IN_CH"]
    kernel = (p["FILTER_Y"], p["FILTER_X"])
    size = (p["INPUT_H"], p["INPUT_W"])
    target = (p["OUTPUT_H"], p["OUTPUT_W"])
    stride = (p["STRIDE_Y"], p["STRIDE_X"])
    dilation = (p["DILATION_Y"], p["DILATION_X"])
    taps = kernel[0] * kernel[1]
    weights = np.zeros((out, *kernel, depth), dtype=np.int64)
    kind = "convolution"
    raw: Integers
    if "depthwise" in name:
        kind = "depthwise convolution"
        raw = _weights(name, a, taps * out).reshape(*kernel, out)
        for channel in range(out):
            weights[channel, :, :, channel // p["CH_MULT"]] = raw[:, :, channel]
    else:
        part = p.get("FILTER_CH", depth)
        kind = "grouped convolution" if part != depth else kind
        raw = _weights(name, a, out * taps * part).reshape(out, *kernel, part)
        per_group = out // (depth // part)
        for channel in range(out):
            first = channel // per_group * part
            weights[channel, :, :, first : first + part] = raw[channel]
    before = (p["PAD_Y"], p["PAD_X"])
    after = tuple(
        max(
            0, (target[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - size[i] - before[i]
        )
        for i in range(2)
    )
    operator = Convolution(
        weights=weights,
        stride=stride,
        dilation=dilation,
        padding=(*before, *after),
        input_zero=-p["INPUT_OFFSET"],
        requantize=_requantize(p, a, out),
    )
    codes = a["input"].reshape(-1, *size, depth)
    want = _first(a, "output_ref", "output")
    assert want is not None
    # A kernel that does not reach the last rows leaves them out; the shape says how many.
    return _single(name, kind, operator, codes, want.reshape(len(codes), *target, out))


def _fully_connected(name: str, p: Mapping[str, Any], a: Mapping[str, Integers]) -> Case:
    out, depth = p["OUT_CH"], p["ACCUMULATION_DEPTH"]
    weights = _weights(name, a, out * depth).reshape(out, 1, 1, depth)
    operator = Convolution(
        weights=weights + p.get("FILTER_OFFSET", 0),
        input_zero=-p["INPUT_OFFSET"],
        requantize=_requantize(p, a, out),
    )
    codes = a["input"].reshape(1, -1, depth)
    want = _first(a, "output_ref", "output")
    assert want is not None
    return _single(name, "fully connected", operator, codes, want.reshape(1, -1, out))


def _batch_matmul(name: str, p: Mapping[str, Any], a: Mapping[str, Integers]) -> Case:
    def operand(side: str, transposed: bool) -> Integers:
        shape = [p[f"{side}_{x}"] for x in ("BATCH", "HEIGHT", "ROWS", "COLS")]
        value = a[f"{side.lower()}_input_tensor"].reshape(shape)
        return value.swapaxes(2, 3) if transposed else value

    left = operand("LHS", bool(p["ADJ_X"]))
    right = operand("RHS", not p["ADJ_Y"])  # [columns of the result, depth]
    outer = np.broadcast_shapes(left.shape[:2], right.shape[:2])
    heads = outer[0] * outer[1]
    left = np.broadcast_to(left, (*outer, *left.shape[2:])).reshape(heads, *left.shape[2:])
    right = np.broadcast_to(right, (*outer, *right.shape[2:])).reshape(heads, *right.shape[2:])
    operator = AttentionScores(
        heads=heads,
        requantize=_requantize(p, {}, 1),
        query_zero=-p["LHS_OFFSET"],
        key_zero=-p["RHS_OFFSET"],
    )
    codes = left.transpose(1, 0, 2).reshape(1, left.shape[1], -1)
    other = right.transpose(1, 0, 2).reshape(right.shape[1], -1)
    want = a["output"].reshape(1, heads, left.shape[1], right.shape[1])
    return _single(name, "batch matmul", operator, codes, want, other)


def _pool(name: str, p: Mapping[str, Any], a: Mapping[str, Integers]) -> Case:
    kernel = (p["FILTER_H"], p["FILTER_W"])
    stride = (p["STRIDE_H"], p["STRIDE_W"])
    size = (p["INPUT_H"], p["INPUT_W"])
    target = (p["OUTPUT_H"], p["OUTPUT_W"])
    before = (p["PADDING_H"], p["PADDING_W"])
    after = tuple(
        max(0, (target[i] - 1) * stride[i] + kernel[i] - size[i] - before[i]) for i in range(2)
    )
    window = Window(kernel=kernel, stride=stride, padding=(*before, *after))
    low, high = p["ACTIVATION_MIN"], p["ACTIVATION_MAX"]
    operator: Operator
    if name.startswith("max"):
        kind = "max pooling"
        operator = MaxPool(window=window, low=low, high=high)
    else:
        kind = "average pooling"
        operator = average_pool_spec(window, *size, rounding=Rounding.HALF_AWAY, low=low, high=high)
    codes = a["input_tensor"].reshape(-1, *size, p["INPUT_C"])
    want = a["output"].reshape(len(codes), *target, p["INPUT_C"])
    return _single(name, kind, operator, codes, want)
