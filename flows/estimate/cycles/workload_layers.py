"""The layer shapes of a named workload as the layers a machine sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from flows.estimate.cycles.machine_layer import INPUT, Layer, Table, Work
from flows.estimate.cycles.pooling import pool_windows
from models.network.workloads import Kind, LayerShape
from models.ops.pool import Window

__all__ = ["image_size", "workload_layers"]

_EXP_ENTRIES, _ROW_ENTRIES = 256, 1024


def workload_layers(shapes: Iterable[LayerShape]) -> list[Layer]:
    """Layers in the order in which the mapper has them.

    A linear layer before attention is split into query, key and value, and value comes behind the
    scores. An addition's other operand is taken to be there.
    """
    listed = list(shapes)
    walk = _Walk()
    for shape, after in zip(listed, [*listed[1:], None], strict=True):
        walk.add(shape, after)
    return walk.found


class _Walk:
    def __init__(self) -> None:
        self.found: list[Layer] = []
        self.last = INPUT
        self.beside = INPUT  # a shortcut whose addition is still to come
        self.value: Layer | None = None
        self.operands = (INPUT, INPUT)

    def add(self, shape: LayerShape, after: LayerShape | None) -> None:
        """Append a shape's layers."""
        if shape.kind is Kind.LINEAR and after is not None and after.kind is Kind.SCORES:
            self._split(shape, after)
            return
        layer = self._layer(shape)
        if shape.name.endswith("shortcut"):
            self.found.append(layer)
            self.beside = len(self.found) - 1
            return
        if shape.kind is Kind.ADD and self.beside != INPUT:
            layer = replace(layer, sources=(self.last, self.beside))
            self.beside = INPUT
        if shape.kind is Kind.SCORES:
            layer = replace(layer, sources=self.operands)
        elif shape.kind is Kind.CONTEXT:
            layer = replace(layer, sources=(self.last, self.operands[1]))
        elif shape.kind is Kind.LINEAR and self._before().work is Work.CONTEXT:
            layer = replace(layer, in_heads=self._before().heads)
        self.found.append(layer)
        self.last = len(self.found) - 1
        if shape.kind is Kind.SCORES and self.value is not None:
            self.found.append(self.value)
            self.operands = (INPUT, len(self.found) - 1)

    def _before(self) -> Layer:
        return self.found[self.last] if self.found else Layer(name="", work=Work.VIEW)

    def _split(self, shape: LayerShape, scores: LayerShape) -> None:
        keys = scores.groups * scores.depth
        parts = {"query": keys, "key": keys, "value": shape.outputs - 2 * keys}
        layers = [
            replace(
                self._layer(replace(shape, name=f"{shape.name}.{part}", outputs=outputs)),
                out_heads=scores.groups,
            )
            for part, outputs in parts.items()
        ]
        self.found += layers[:2]
        self.operands = (len(self.found) - 2, len(self.found) - 1)
        self.value = layers[2]

    def _layer(self, shape: LayerShape) -> Layer:
        positions = shape.positions
        plain = Layer(
            name=shape.name, work=Work.PRODUCT, sources=(self.last,), positions=positions,
            channels=shape.depth, outputs=shape.outputs, macs=shape.macs,
        )  # fmt: skip
        heads = shape.groups
        match shape.kind:
            case Kind.CONVOLUTION | Kind.LINEAR:
                taps = shape.kernel[0] * shape.kernel[1]
                tall, wide = image_size(shape)
                stem = self.last == INPUT and taps > 1 and shape.groups == 1
                return replace(
                    plain, taps=taps, rows_in=tall * wide, stem=stem, groups=shape.groups
                )
            case Kind.SCORES:
                return replace(plain, work=Work.SCORES, heads=heads, positions=heads * positions)
            case Kind.CONTEXT:
                return replace(
                    plain, work=Work.CONTEXT, heads=heads, positions=heads * positions,
                    outputs=shape.outputs // heads,
                )  # fmt: skip
            case Kind.SOFTMAX:
                exp = Table(key=shape.name, entries=_EXP_ENTRIES)
                reciprocal = Table(key="reciprocal", entries=_ROW_ENTRIES, row=True)
                return replace(
                    plain, work=Work.SOFTMAX, positions=heads * positions,
                    tables=(exp, reciprocal),
                )  # fmt: skip
            case Kind.NORM:
                root = Table(key="root", entries=_ROW_ENTRIES, row=True)
                return replace(plain, work=Work.NORM, tables=(root,))
            case Kind.ADD:
                return replace(plain, work=Work.ADD)
            case Kind.POOL:
                if shape.kernel == (1, 1):
                    rows = self._before().positions
                    return replace(plain, work=Work.POOL, windows=((1, rows),), rows_in=rows)
                tall, wide = image_size(shape)
                windows = _windows(shape)
                return replace(plain, work=Work.MAX_POOL, windows=windows, rows_in=tall * wide)


def image_size(shape: LayerShape) -> tuple[int, int]:
    """Lines and columns that a kernel reads: padded, unless it is no larger than its stride."""
    tall, wide = (
        n * s if k > s or k == 1 else (n - 1) * s + k
        for n, k, s in zip((shape.rows, shape.width), shape.kernel, shape.stride, strict=True)
    )
    return tall, wide


def _windows(shape: LayerShape) -> tuple[tuple[int, int], ...]:
    """Descriptors of a padded pooling."""
    tall, wide = image_size(shape)
    pads = [max(k - s, 0) for k, s in zip(shape.kernel, shape.stride, strict=True)]
    top, left = (-(-p // 2) for p in pads)
    window = Window(
        kernel=shape.kernel, stride=shape.stride,
        padding=(top, left, pads[0] - top, pads[1] - left),
    )  # fmt: skip
    return pool_windows(window, tall, wide)
