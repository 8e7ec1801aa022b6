"""A sketch as a quantised ONNX file: quantisers, types, scales and idioms at random."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.import_fuzz.sketch import Sketch, Step

__all__ = ["Style", "quantised", "random_style", "session"]

_INT4 = {np.dtype(np.int8): TensorProto.INT4, np.dtype(np.uint8): TensorProto.UINT4}


@dataclass
class Style:
    """How a file is written."""

    activations: str
    partial: bool
    """Only the inputs of products are quantised."""
    bits: int
    """Bits of QCDQ's clip; 8 is QDQ."""
    weight_bits: int
    weights: str
    """``codes`` behind a DequantizeLinear, ``float`` before a pair, or ``uint8``."""
    per_channel: bool
    range_factor: float
    """Quantisers' ranges, as part of what the float network has: below 1 they saturate."""
    point: str
    """``given``, ``none``, or ``output_dtype`` instead of a zero point."""
    inside: float
    """Chance that moves, clips and pools stand between a QuantizeLinear and DequantizeLinear."""
    extreme: bool
    holds: str
    """The file's input: ``float32`` or codes of a type."""


def random_style(rng: np.random.Generator, opset: int) -> Style:
    """Mostly what tools write, with everything else now and then."""
    points = ["given"] * 6 + ["none"] + (["output_dtype"] if opset >= 21 else [])
    point = str(rng.choice(points))
    activations = str(rng.choice(["int8", "uint8"]))
    if point == "none":
        activations = "uint8"
    bits = int(rng.choice([8, 8, 8, 8, 4, 3, 2]))
    return Style(
        activations=activations,
        partial=bool(rng.random() < 0.15),
        bits=bits,
        weight_bits=bits if bits < 8 and rng.random() < 0.7 else 8,
        weights=str(rng.choice(["codes", "codes", "codes", "float", "uint8"])),
        per_channel=bool(rng.random() < 0.5),
        range_factor=float(rng.choice([1.0, 1.0, 1.0, 0.6, 0.2, 2.0])),
        point=point,
        inside=float(rng.choice([0.0, 0.0, 0.5])),
        extreme=bool(rng.random() < 0.1),
        holds=str(rng.choice(["float32"] * 8 + ["int8", "uint8"])),
    )


def session(model: onnx.ModelProto | str) -> onnxruntime.InferenceSession:
    """A session without optimisations."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    given = model if isinstance(model, str) else model.SerializeToString()
    return onnxruntime.InferenceSession(given, options)


@dataclass
class _Writer:
    rng: np.random.Generator
    net: Sketch
    style: Style
    ranges: dict[str, tuple[float, float]]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    real: dict[str, str] = field(default_factory=dict)
    """Tensor of the sketch to the name of its real numbers in the file."""
    codes: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """Tensor of the sketch to its codes that are not dequantised yet, and their grid."""
    quantised: set[str] = field(default_factory=set)

    def const(self, value: Any, kind: Any) -> str:
        name = f"k{len(self.constants)}_{len(self.nodes)}"
        array = np.asarray(value, dtype=kind)
        if self.rng.random() < 0.1:
            tensor = numpy_helper.from_array(array, name)
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
            return name
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, inputs: list[str], output: str | None = None, **more: Any) -> str:
        output = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{kind} {output}", **more))
        return output

    def file(self) -> onnx.ModelProto:
        style, net = self.style, self.net
        holds = style.holds
        if holds == "float32":
            self.real["image"] = "image"
            if not style.partial or self.rng.random() < 0.9:
                self._quantise("image", "image")
        else:
            grid = self._grid(*self.ranges["image"], holds)
            self.real["image"] = self.add("DequantizeLinear", ["image", *grid])
            self.quantised.add("image")
        for position, step in enumerate(net.steps):
            self._step(step, last=position == len(net.steps) - 1)
        output = self._real(net.steps[-1].output)
        elem = getattr(TensorProto, {"float32": "FLOAT"}.get(holds, holds.upper()))
        graph = helper.make_graph(
            self.nodes,
            "fuzz",
            [helper.make_tensor_value_info("image", elem, net.shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.constants,
        )
        version = helper.make_opsetid("", net.opset)
        model = helper.make_model(graph, opset_imports=[version], ir_version=10)
        return onnx.shape_inference.infer_shapes(model)

    def _step(self, step: Step, *, last: bool) -> None:
        style, rng = self.style, self.rng
        product = step.kind in ("Conv", "Gemm", "MatMul")
        source = next((i for i in step.inputs if i in self.codes), None)
        tensors = [i for i in step.inputs if i in self.net.shapes]
        inside = (
            source is not None
            and all(i in self.codes for i in tensors)
            and (step.kind in ("Relu", "MaxPool", "Clip", "Pad", "Concat") or step.moves)
        )
        if inside and source is not None and not last and rng.random() < style.inside:
            if self._on_codes(step, source):
                return
        if product and style.partial:
            for name in step.inputs:
                if name in self.net.shapes and name not in self.quantised:
                    self._quantise(name, self._real(name))
        inputs = []
        for position, name in enumerate(step.inputs):
            if not name or name in self.net.shapes:
                inputs.append(self._real(name) if name else "")
            elif position in step.weights:
                inputs.append(self._weights(self.net.constants[name], step.weights[position]))
            else:
                array = self.net.constants[name]
                inputs.append(self.const(array, array.dtype))
        made = self.add(step.kind, inputs, **step.attributes)
        self.real[step.output] = made
        if rng.random() < 0.06:
            kind = str(rng.choice(["Identity", "Dropout", "Cast"]))
            more: dict[str, Any] = {"to": TensorProto.FLOAT} if kind == "Cast" else {}
            self.real[step.output] = self.add(kind, [made], **more)
        moved = step.moves and any(i in self.quantised for i in step.inputs)
        if moved:
            self.quantised.add(step.output)
        if last or (not style.partial and step.ready and not (moved and rng.random() < 0.6)):
            self._quantise(step.output, self.real[step.output], clip=not last)
        elif not step.ready:
            self.net.notes.add("float between operators")
            self.net.soft = True
        elif style.partial and not moved:
            self.net.soft = True

    def _real(self, name: str) -> str:
        if name not in self.real:
            codes, grid = self.codes[name]
            self.real[name] = self.add("DequantizeLinear", [codes, *grid])
        return self.real[name]

    def _on_codes(self, step: Step, source: str) -> bool:
        """The step between a quantiser and its dequantiser, on codes."""
        codes, grid = self.codes[source]
        inputs = [codes]
        kind = np.int8 if self.style.activations == "int8" else np.uint8
        if step.kind == "Clip":
            low, high = sorted(int(n) for n in self.rng.integers(0, 100, 2))
            inputs += [self.const(low, kind), self.const(high, kind)]
        elif step.kind == "Relu" and (kind is np.uint8 or self.net.opset < 14):
            return False
        elif step.kind == "Concat":
            if any(i not in self.codes for i in step.inputs):
                return False
            inputs = [self.codes[i][0] for i in step.inputs]
        elif step.kind == "Pad":
            pads = self.net.constants[step.inputs[1]]
            inputs += [self.const(pads, np.int64), self._zero_of(grid)]
        elif step.moves:
            rest = [self.net.constants[i] for i in step.inputs[1:]]
            inputs += [self.const(array, array.dtype) for array in rest]
        made = self.add(step.kind, inputs, **step.attributes)
        if self.rng.random() < 0.2:
            grid = self._grid(*self.ranges[step.output], self.style.activations)
            self.net.notes.add("other grid behind codes")
        self.codes[step.output] = made, grid
        self.quantised.add(step.output)
        self.net.notes.add(f"{step.kind} on codes")
        return True

    def _zero_of(self, grid: tuple[str, ...]) -> str:
        """The name of a grid's zero point, which is 0 where it has none."""
        if len(grid) > 1:
            return grid[1]
        return self.const(0, np.int8 if self.style.activations == "int8" else np.uint8)

    def _quantise(self, name: str, real: str, *, clip: bool = True) -> None:
        style = self.style
        low, high = self.ranges[name]
        if style.extreme and self.rng.random() < 0.3:
            factor = float(10.0 ** self.rng.uniform(-4, 3))
            low, high = low * factor, high * factor
            self.net.notes.add("extreme scale")
        grid = self._grid(low * style.range_factor, high * style.range_factor, style.activations)
        given, more = list(grid), {}
        if style.point == "output_dtype":
            more["output_dtype"] = getattr(TensorProto, style.activations.upper())
            given = given[:1]
        codes = self.add("QuantizeLinear", [real, *given], **more)
        grid = (grid[0],) if style.point != "given" else grid
        if style.bits < 8 and clip:
            kind = np.int8 if style.activations == "int8" else np.uint8
            low_code, high_code = (
                (-(1 << style.bits - 1), (1 << style.bits - 1) - 1)
                if kind is np.int8
                else (0, (1 << style.bits) - 1)
            )
            bounds = [self.const(n, kind) for n in (low_code, high_code)]
            codes = self.add("Clip", [codes, *bounds])
            self.net.notes.add("QCDQ")
        self.codes[name] = codes, grid
        self.real.pop(name, None)
        self.quantised.add(name)

    def _grid(self, low: float, high: float, kind: str) -> tuple[str, ...]:
        """Scale and zero point that cover a range, as calibration chooses them."""
        style, rng = self.style, self.rng
        low, high = min(low, 0.0), max(high, 0.0, low + 1e-9)
        levels = 1 << style.bits
        zero: int
        if style.point != "given" or style.bits < 8 or rng.random() < 0.3:
            peak = max(-low, high) if kind == "int8" else high or -low
            scale = peak / (levels // 2 - 1 if kind == "int8" else levels - 1)
            zero = 0
        else:
            scale = (high - low) / 255
            zero = int(np.clip(np.rint(-low / scale), 0, 255)) - (128 if kind == "int8" else 0)
        dtype = np.int8 if kind == "int8" else np.uint8
        # Ranges of constants would put every one of them just between two codes.
        scale *= float(rng.uniform(0.98, 1.02))
        return self.const(max(scale, 1e-30), np.float32), self.const(zero, dtype)

    def _weights(self, array: NDArray[Any], axis: int) -> str:
        """A weight (or a constant tensor, axis -1) as the style keeps it."""
        style, rng = self.style, self.rng
        bits = style.weight_bits if axis >= 0 else 8
        most = (1 << bits - 1) - 1
        axis_given = axis >= 0 and style.per_channel and array.ndim > 1
        more: dict[str, Any] = {"axis": axis} if axis_given else {}
        if axis_given:
            others = tuple(a for a in range(array.ndim) if a != axis)
            peak = np.abs(array).max(axis=others)
        else:
            peak = np.abs(array).max()
        scale = np.asarray(np.maximum(peak / most, 1e-12), dtype=np.float32)
        if axis_given and rng.random() < 0.15:
            dead = rng.integers(len(scale))
            scale[dead] = float(rng.choice([0.0, 1e-7, 1e-9]))
            self.net.notes.add("dead channel")
        wide = scale.reshape([-1 if a == axis else 1 for a in range(array.ndim)]) if more else scale
        kind = "float" if style.weights == "float" and np.all(scale > 0) else "codes"
        if kind == "float":
            grid = self.const(scale, np.float32), self.const(np.zeros(scale.shape), np.int8)
            codes = self.add("QuantizeLinear", [self.const(array, np.float32), *grid], **more)
            if bits < 8:
                bounds = [self.const(n, np.int8) for n in (-most, most)]
                codes = self.add("Clip", [codes, *bounds])
            self.net.notes.add("weights quantised in the file")
            return self.add("DequantizeLinear", [codes, *grid], **more)
        with np.errstate(all="ignore"):
            steps = np.rint(np.nan_to_num(array / np.where(wide > 1e-6, wide, peak.max() / most)))
        steps = np.clip(steps, -most, most)
        if bits == 4 and self.net.opset >= 21 and rng.random() < 0.5:
            name = f"k{len(self.constants)}_int4"
            tensor = helper.make_tensor(
                name, TensorProto.INT4, array.shape, steps.astype(np.int8).reshape(-1)
            )
            self.constants.append(tensor)
            self.net.notes.add("int4 weights")
            return self.add("DequantizeLinear", [name, self.const(scale, np.float32)], **more)
        if style.weights == "uint8" and bits == 8 and axis >= 0:
            self.net.notes.add("uint8 weights")
            zero = np.full(scale.shape, 128)
            grid = self.const(scale, np.float32), self.const(zero, np.uint8)
            return self.add("DequantizeLinear", [self.const(steps + 128, np.uint8), *grid], **more)
        turned = array.ndim == 2 and axis >= 0 and rng.random() < 0.15
        names = [self.const(steps.T if turned else steps, np.int8), self.const(scale, np.float32)]
        if rng.random() < 0.8:
            names.append(self.const(np.zeros(scale.shape), np.int8))
        if turned and more:
            more["axis"] = 1 - axis
        made = self.add("DequantizeLinear", names, **more)
        if turned:
            self.net.notes.add("transposed weights")
            made = self.add("Transpose", [made], perm=[1, 0])
        return made


def quantised(
    rng: np.random.Generator, net: Sketch, style: Style, ranges: dict[str, tuple[float, float]]
) -> onnx.ModelProto:
    """The file; what is in it goes into the sketch's notes."""
    if style.partial:
        net.notes.add("partly quantised")
    if style.range_factor < 1:
        net.notes.add("saturating quantisers")
    if style.holds != "float32":
        net.notes.add(f"{style.holds} input")
    if style.point != "given":
        net.notes.add(f"zero point: {style.point}")
    return _Writer(rng, net, style, ranges).file()
