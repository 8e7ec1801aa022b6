"""Random operators on random shapes: what random networks are built from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.formats.row_classes import RowClass
from models.network.graph import IntegerGraph, Node, Operator
from models.numerics.quantized import TensorType
from models.numerics.rescale import Integers, Rounding
from models.ops.add import Add
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution, linear_spec
from models.ops.layer_norm import layer_norm_spec
from models.ops.pool import MaxPool, Window, average_pool_spec
from models.ops.requantize import Lookup, Requantize
from models.ops.row_function import RowFunction, Segment
from models.ops.softmax import Softmax, softmax_spec


class Builder:
    """Collects the nodes of one network."""

    def __init__(
        self,
        rng: np.random.Generator,
        shape: tuple[int, ...],
        bits: int = 8,
        classes: Sequence[RowClass] = (),
        act_bits: int = 8,
    ) -> None:
        self.rng = rng
        self.classes = classes
        self.act_bits = act_bits
        self.tensors = {"input": TensorType(shape=shape, bits=bits)}
        self.nodes: list[Node] = []

    def add(
        self, operator: Operator, inputs: tuple[str, ...], shape: tuple[int, ...], bits: int = 8
    ) -> str:
        """Append an operator; gives the name of its output."""
        name = f"t{len(self.nodes)}"
        self.tensors[name] = TensorType(shape=shape, bits=bits)
        node = Node(name=f"{type(operator).__name__}_{name}", operator=operator, inputs=inputs,
                    output=name)  # fmt: skip
        self.nodes.append(node)
        return name

    def graph(self, name: str, output: str) -> IntegerGraph:
        """The finished network."""
        return IntegerGraph(
            name=name, input="input", output=output, tensors=self.tensors, nodes=tuple(self.nodes)
        )

    # Random parts

    def pick(self, *values: int) -> int:
        """One of the values."""
        return int(self.rng.choice(values))

    def corners(self, low: int, high: int, size: tuple[int, ...]) -> Integers:
        """Integers of which many are at the ends of their range."""
        values = self.rng.integers(low, high + 1, size)
        ends = self.rng.choice([low, high, 0, -1 if low < 0 else 1], size)
        return np.where(self.rng.random(size) < 0.15, ends, values)

    def rounding(self) -> Rounding:
        """Any tie rule."""
        return Rounding(self.pick(*list(Rounding)))

    def table(self) -> Lookup:
        """A random function table on 16-bit numbers."""
        entries = self.pick(1, 7, 64, 256, 1024)
        shift = self.pick(0, 1, 3, 8)
        return Lookup(
            table=self.corners(-128, 127, (entries,)),
            offset=int(self.rng.integers(-100, 200)),
            shift=shift,
        )

    def requantize(self, channels: int, magnitude: float, *, bits: int = 8) -> Requantize:
        """Parameters that bring values of about this size into the codes' range."""
        rounding = self.rounding()
        size = channels if self.rng.random() < 0.7 else 1
        long = rounding is Rounding.DOUBLE or self.rng.random() < 0.5
        digits = 31 if long else self.pick(1, 4, 15)
        multiplier = self.rng.integers(1 << digits - 1, (1 << digits), size)
        ratio = (1 << bits - 1) / max(magnitude, 1.0) * self.rng.uniform(0.3, 1.5)
        shift = np.clip(np.rint(np.log2(multiplier / ratio)), 0, 62).astype(np.int64)
        reach = int(max(magnitude / 4, 2))
        if bits == 8:
            bits = self.act_bits
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        return Requantize(
            bias=self.corners(-reach, reach, (size,)),
            multiplier=np.minimum(multiplier, (1 << 31) - 1),
            shift=shift,
            rounding=rounding,
            zero_point=int(self.rng.integers(-20, 20)),
            low=low if self.rng.random() < 0.6 else int(self.rng.integers(low, 0)),
            high=high if self.rng.random() < 0.8 else int(self.rng.integers(0, high)),
            table=self.table() if self.rng.random() < 0.25 and self.act_bits == 8 else None,
        )

    def zero(self) -> int:
        """A zero point, often an extreme one."""
        end = 1 << self.act_bits - 1
        return self.pick(0, 0, -end, end - 1, 3, -end // 7)

    def weights(self, size: tuple[int, ...]) -> Integers:
        """Weights of any kind, or each row's on the grid of one of the classes."""
        if not self.classes:
            return self.corners(-128, 127, size)
        rows = np.array([c.rows for c in self.classes])
        # Often not in the ratio of the rows.
        share = rows / rows.sum() if self.rng.random() < 0.6 else np.ones(len(rows)) / len(rows)
        values = np.empty(size, dtype=np.int64)
        for row in range(size[0]):
            grid = self.classes[self.rng.choice(len(rows), p=share)].grid
            ends = self.rng.choice(grid[[0, -1]], size[1:])
            inner = self.rng.choice(grid, size[1:])
            values[row] = np.where(self.rng.random(size[1:]) < 0.15, ends, inner)
        return values

    def product_zero(self) -> int:
        """A zero point in a product of two activations."""
        return 0 if self.classes else self.zero()

    # Operators

    def linear(self, source: str, channels: int, *, wide: bool = False, held: bool = False) -> str:
        """A linear layer on tokens; ``held``: never yields the least code."""
        tokens, depth = self.tensors[source].shape
        weights = self.weights((channels, depth))
        bits = 16 if wide else 8
        spec = self.requantize(channels, 80 * 80 * np.sqrt(depth), bits=bits)
        if held and self.classes:
            table = spec.table and replace(spec.table, table=np.maximum(spec.table.table, -127))
            spec = replace(spec, low=max(spec.low, -127), table=table)
        op = linear_spec(weights, spec, self.zero())
        return self.add(op, (source,), (tokens, channels), bits)

    def convolution(self, source: str) -> str:
        """A convolution with any kernel, stride, padding, dilation that fits."""
        height, width, depth = self.tensors[source].shape
        kernel = (self.pick(1, 2, 3), self.pick(1, 3, 4))
        dilation = (
            self.pick(1, 1, 2) if height > 2 * kernel[0] else 1,
            self.pick(1, 1, 2) if width > 2 * kernel[1] else 1,
        )
        pads = tuple(int(self.rng.integers(0, k + 1)) for k in (*kernel, *kernel))
        channels = int(self.rng.integers(1, 20))
        op = Convolution(
            weights=self.weights((channels, *kernel, depth)),
            stride=(self.pick(1, 2, 3), self.pick(1, 2)),
            dilation=dilation,
            padding=pads,  # type: ignore[arg-type]
            input_zero=self.zero(),
            requantize=self.requantize(channels, 80 * 80 * np.sqrt(depth * kernel[0] * kernel[1])),
        )
        return self.add(op, (source,), op.output_shape(height, width))

    def conv(
        self, source: str, channels: int, *, kernel: tuple[int, int] = (1, 1), groups: int = 1,
        stride: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0), wide: bool = False,
    ) -> str:  # fmt: skip
        """A convolution of this shape, in groups or not."""
        bits = 16 if wide else 8
        height, width, depth = self.tensors[source].shape
        depth //= groups
        size = 80 * 80 * np.sqrt(depth * kernel[0] * kernel[1])
        op = Convolution(
            weights=self.weights((channels, *kernel, depth)), groups=groups, stride=stride,
            dilation=dilation, padding=padding, input_zero=self.zero(),
            requantize=self.requantize(channels, size, bits=bits),
        )  # fmt: skip
        return self.add(op, (source,), op.output_shape(height, width), bits)

    def map(self, source: str, *, wide: bool = False) -> str:
        """Elementwise requantise."""
        kind = self.tensors[source]
        spec = self.requantize(1, 1 << kind.bits - 1, bits=16 if wide else 8)
        small = Requantize(
            bias=np.clip(spec.bias[:1], -200, 200), multiplier=spec.multiplier[:1],
            shift=spec.shift[:1], rounding=spec.rounding, zero_point=spec.zero_point,
            low=spec.low, high=spec.high, table=spec.table,
        )  # fmt: skip
        return self.add(small, (source,), kind.shape, 16 if wide else 8)

    def join(self, a: str, b: str, *, wide: bool = False) -> str:
        """Addition of two tensors."""
        top = 24 if self.rng.random() < 0.3 else self.pick(2, 8, 20)
        factors = self.rng.integers(-(1 << top - 1), 1 << top, 2)
        op = Add(
            a_multiplier=int(factors[0]),
            b_multiplier=int(factors[1]),
            shift=max(0, top - self.pick(0, 1, 2)),
            a_zero=self.zero(),
            b_zero=self.zero(),
            rounding=self.rounding(),
            zero_point=int(self.rng.integers(-20, 20)),
            low=-32768 if wide else -128,
            high=32767 if wide else 127,
        )
        return self.add(op, (a, b), self.tensors[a].shape, 16 if wide else 8)

    def norm(self, source: str) -> str:
        """LayerNorm, floating table."""
        kind = self.tensors[source]
        channels = kind.shape[-1]
        spec = layer_norm_spec(
            self.rng.normal(1, 0.5, channels),
            self.rng.normal(0, 1, channels),
            epsilon=float(self.rng.choice([1e-6, 1e-3, 1.0])),
            input_scale=float(self.rng.uniform(0.01, 0.1)),
            output_scale=float(self.rng.uniform(0.02, 0.05)),
            output_zero=self.pick(-10, 0, 5),
            input_bits=kind.bits,
        )
        return self.add(spec, (source,), kind.shape)

    def softmax(self, source: str) -> str:
        """Softmax: floating reciprocal, or the two linear segments of HG-PIPE."""
        kind = self.tensors[source]
        if self.rng.random() < 0.5:
            scale = float(self.rng.uniform(0.01, 0.2)) / (1 if kind.bits == 8 else 64)
            spec = softmax_spec(
                input_scale=scale,
                output_scale=1 / 256,
                output_zero=self.pick(-128, 0),
                input_bits=kind.bits,
            )
        else:
            shift = self.pick(10, 12)
            index = np.arange(64)
            spec = Softmax(
                exp=np.sort(self.rng.integers(0, 32769, 32))[::-1].copy(),
                offset=self.pick(0, 3),
                input_shift=self.pick(0, 3),
                rounding=self.rounding(),
                low=0,
                high=7,
                reciprocal=RowFunction(
                    table=np.concatenate([255 - index, 200 - 2 * index]),
                    first=Segment(offset=-1000, shift=shift, last=63, out_shift=18),
                    second=Segment(offset=5, shift=shift + 2, last=63, base=64, out_shift=20),
                ),
            )
        return self.add(spec, (source,), kind.shape)

    def attention(self, source: str) -> str:
        """q, k, v, scores, softmax, context, output projection."""
        tokens = self.tensors[source].shape[0]
        heads, width = self.pick(1, 2, 3), int(self.rng.integers(1, 14))
        q, k, v = (self.linear(source, heads * width, held=True) for _ in range(3))
        wide = self.rng.random() < 0.3
        scores = self.add(
            AttentionScores(
                heads=heads,
                requantize=self._scalar(60 * 60 * np.sqrt(width), 16 if wide else 8),
                query_zero=self.product_zero(),
                key_zero=self.product_zero(),
            ),
            (q, k),
            (heads, tokens, tokens),
            16 if wide else 8,
        )
        p = self.softmax(scores)
        context = self.add(
            AttentionContext(
                heads=heads,
                requantize=self._scalar(60 * 60 * np.sqrt(tokens), 8),
                probability_zero=self.product_zero(),
                value_zero=self.product_zero(),
            ),
            (p, v),
            (tokens, heads * width),
        )
        return self.linear(context, int(self.rng.integers(1, 20)))

    def _scalar(self, magnitude: float, bits: int) -> Requantize:
        spec = self.requantize(1, magnitude, bits=bits)
        return spec

    def pool(self, source: str) -> str:
        """Max or average pooling."""
        height, width, channels = self.tensors[source].shape
        kernel = (int(self.rng.integers(1, height + 1)), int(self.rng.integers(1, width + 1)))
        pads = tuple(int(self.rng.integers(0, max(1, min(k, 3)))) for k in (*kernel, *kernel))
        window = Window(
            kernel=kernel,
            stride=(self.pick(1, 2, 3), self.pick(1, 2)),
            padding=pads,  # type: ignore[arg-type]
        )
        return self.pool_by(source, window)

    def pool_by(self, source: str, window: Window) -> str:
        """Max or average pooling by a window."""
        height, width, channels = self.tensors[source].shape
        shape = (*window.output_shape(height, width), channels)
        if self.rng.random() < 0.5:
            return self.add(MaxPool(window=window, low=self.pick(-128, -5)), (source,), shape)
        spec = average_pool_spec(
            window, height, width,
            ratio=float(self.rng.uniform(0.5, 1.5)),
            rounding=self.rounding(),
            count_padding=bool(self.rng.random() < 0.3),
            input_zero=self.zero(),
            output_zero=self.pick(0, -7),
        )  # fmt: skip
        return self.add(spec, (source,), shape)
