"""Chooses the tensors that get a QuantizeLinear, and the constraints of their grids.

Layers, normalisations, softmax, pools, additions and concatenations read codes. From their inputs,
functions and layouts are followed back to the place of the quantiser:

* after a function (GELU, ReLU, ...), before a change of layout;
* before a function too, unless it is a clip, or a gain and offset that the operator before absorbs;
* operands of a product of two activations: at the product itself, each with its own grid.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import onnx

from flows.onnx_import.elementwise import BINARY_KINDS, UNARY_KINDS
from flows.onnx_import.tensor_layout import LAYOUT_KINDS
from flows.quantise.float_network import FloatNetwork

__all__ = ["Point", "find_points"]

_MOVES = LAYOUT_KINDS | {"MaxPool", "GlobalMaxPool", "Pad", "Cast"}
_CLIPS = {"Relu", "Clip"}
_TAKE_GAINS = {"Conv", "Gemm", "MatMul", "LayerNormalization"}
"""Operators whose rescaling absorbs a gain and an offset per channel."""
_WEIGHTED = {"Conv", "Gemm", "MatMul"}


@dataclass(frozen=True)
class Point:
    """A tensor with a quantiser.

    Attributes
    ----------
    operand
        Operand of a product of two activations: its grid is symmetric without -128.
    probability
        Result of a softmax that such a product reads.
    readers
        Positions of the layers that read it, through layouts.
    unit
        Product of the constant factors so far. If ``scale / unit`` is a power of two, rescaling is
        a plain shift.
    partner
        Concatenated tensor whose grid it shares.
    """

    tensor: str
    operand: bool = False
    probability: bool = False
    readers: tuple[int, ...] = ()
    unit: float = 1.0
    partner: str | None = None


@dataclass
class _Trace:
    """Origin of every tensor: its node, and the tensor it is a layout or a function of."""

    makers: dict[str, onnx.NodeProto] = field(default_factory=dict)
    parents: dict[str, tuple[str, str]] = field(default_factory=dict)
    units: dict[str, float] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def back(self, tensor: str, *steps: str) -> str:
        """Follow a tensor back through steps of the given sorts."""
        while tensor in self.parents and self.parents[tensor][1] in steps:
            tensor = self.parents[tensor][0]
        return tensor


def find_points(network: FloatNetwork) -> list[Point]:
    """Return every tensor that gets a quantiser, in the order of the nodes that make them."""
    trace = _Trace(known=set(network.constants))
    points: dict[str, Point] = {}
    for position, node in enumerate(network.model.graph.node):
        for name in node.output:
            trace.makers[name] = node
        live = [name for name in node.input if name and name not in trace.known]
        if not live or node.op_type in ("Shape", "Size"):
            trace.known.update(node.output)
            continue
        step = _step(network, trace, node, live)
        if step is None:
            _read(trace, points, node, position, live)
        else:
            parent, sort = step
            trace.parents |= dict.fromkeys(node.output, (parent, sort))
        _keep_unit(network, trace, node, live)
    _mark(trace, points, network.output, None)
    order = {name: i for i, node in enumerate(network.model.graph.node) for name in node.output}
    return sorted(points.values(), key=lambda point: order.get(point.tensor, -1))


def _step(
    network: FloatNetwork, trace: _Trace, node: onnx.NodeProto, live: list[str]
) -> tuple[str, str] | None:
    """Return the input of a layout or function node, and the sort of step; None for others."""
    if node.op_type in _MOVES:
        return live[0], "move"
    if node.op_type in UNARY_KINDS:
        return live[0], "clip" if node.op_type in _CLIPS else "function"
    if node.op_type == "BatchNormalization":
        return live[0], "gain"
    if node.op_type not in BINARY_KINDS:
        return None
    if len(live) == 1:
        constant = next(network.constants.get(n) for n in node.input if n in trace.known)
        if node.op_type == "Pow" or (node.op_type == "Div" and node.input[1] == live[0]):
            return live[0], "function"
        wide = constant is None or sum(size > 1 for size in constant.shape) > 1
        return None if wide else (live[0], "gain")
    roots = {trace.back(name, "clip", "function", "gain") for name in live}
    return (roots.pop(), "function") if len(roots) == 1 else None


def _read(
    trace: _Trace,
    points: dict[str, Point],
    node: onnx.NodeProto,
    position: int,
    live: list[str],
) -> None:
    """Add points for the inputs of an operator."""
    product = node.op_type == "MatMul" and len(live) == 2
    for name in live:
        if product:
            maker = trace.makers.get(trace.back(name, "move"))
            softmax = maker is not None and maker.op_type == "Softmax"
            points[name] = Point(
                name,
                operand=not softmax,
                probability=softmax,
                unit=1.0 if softmax else trace.units.get(name, 1.0),
            )
            _mark_functions(trace, points, name)
        else:
            layer = position if node.op_type in _WEIGHTED else None
            found = _mark(trace, points, name, layer)
            if node.op_type == "Concat":
                joined = node.output[0]
                points[found] = replace(points[found], partner=joined)
                points.setdefault(joined, Point(joined))


def _mark(
    trace: _Trace,
    points: dict[str, Point],
    tensor: str,
    layer: int | None,
) -> str:
    """Add a point where ``tensor`` comes from; return the point's tensor."""
    place = trace.back(tensor, "move")
    point = points.get(place) or Point(place, unit=trace.units.get(place, 1.0))
    if layer is not None:
        point = replace(point, readers=(*point.readers, layer))
    points[place] = point
    _mark_functions(trace, points, place)
    return place


def _mark_functions(trace: _Trace, points: dict[str, Point], tensor: str) -> None:
    """Add a point before a function too, if the operator before it cannot absorb the function."""
    sorts = set()
    while tensor in trace.parents:
        tensor, sort = trace.parents[tensor]
        sorts.add(sort)
    sorts.discard("move")
    if not sorts:
        return
    maker = trace.makers.get(tensor)
    if (
        maker is None
        or "function" in sorts
        or ("gain" in sorts and maker.op_type not in _TAKE_GAINS)
        or maker.op_type == "Concat"
    ):
        points.setdefault(tensor, Point(tensor, unit=trace.units.get(tensor, 1.0)))


def _keep_unit(network: FloatNetwork, trace: _Trace, node: onnx.NodeProto, live: list[str]) -> None:
    """Track a tensor's constant factors (:attr:`Point.unit`), through ``Mul`` and products."""
    unit = 1.0
    if node.op_type in _MOVES | _CLIPS:
        unit = trace.units.get(live[0], 1.0)
    elif node.op_type == "MatMul" and len(live) == 2:
        unit = trace.units.get(live[0], 1.0) * trace.units.get(live[1], 1.0)
        makers = [trace.makers.get(trace.back(name, "move")) for name in live]
        if makers[0] is not None and makers[0].op_type == "Softmax":
            unit = trace.units.get(live[1], 1.0)
    elif node.op_type in ("Mul", "Div") and len(live) == 1:
        constant = next(network.constants.get(n) for n in node.input if n in trace.known)
        if constant is not None and constant.size == 1 and float(constant.reshape(-1)[0]) > 0:
            factor = float(constant.reshape(-1)[0])
            unit = trace.units.get(live[0], 1.0)
            unit = unit * factor if node.op_type == "Mul" else unit / factor
    trace.units |= dict.fromkeys(node.output, unit)
