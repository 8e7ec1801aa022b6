"""What the operators' specs refuse, and what their goldens refuse at run time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.numerics.quantized import TensorType
from models.ops.add import Add
from models.ops.attention import AttentionScores, split_heads
from models.ops.convolution import Convolution, accumulate, matmul_exact
from models.ops.layer_norm import LayerNorm, layer_norm, layer_norm_spec
from models.ops.pool import AveragePool, MaxPool, Window
from models.ops.requantize import Lookup, Requantize, requantize
from models.ops.row_function import RowFunction, Segment, reciprocal_table
from models.ops.softmax import Softmax

ROOT = RowFunction(table=np.arange(1024), first=Segment(offset=0, shift=0, last=0), floating=True)


def requantizer(**change: Any) -> Requantize:
    return Requantize(**{"bias": 0, "multiplier": 1, "shift": 0, **change})


def convolver(**change: Any) -> Convolution:
    base = {"weights": np.zeros((2, 3, 3, 4)), "requantize": requantizer()}
    return Convolution(**{**base, **change})


def norm(**change: Any) -> LayerNorm:
    base = {"gain": [1, 1], "offset": [0, 0], "mean_multiplier": 1, "mean_shift": 1, "root": ROOT,
            "shift": 0}  # fmt: skip
    return LayerNorm(**{**base, **change})


def many(channels: int) -> LayerNorm:
    return norm(gain=np.ones(channels, int), offset=np.zeros(channels, int), mean_shift=40)


def softmaxer(**change: Any) -> Softmax:
    return Softmax(**{"exp": [1, 0], "reciprocal": ROOT, **change})


def segment(**change: Any) -> Segment:
    return Segment(**{"offset": 0, "shift": 0, "last": 1, **change})


def adder(**change: Any) -> Add:
    return Add(**{"a_multiplier": 1, "b_multiplier": 1, "shift": 0, **change})


def window(kernel: tuple[int, int] = (2, 2), stride: tuple[int, int] = (1, 1),
           padding: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Window:  # fmt: skip
    return Window(kernel=kernel, stride=stride, padding=padding)


def rows(**change: Any) -> RowFunction:
    return RowFunction(**{"table": np.arange(4), "first": segment(), **change})


REFUSED: list[tuple[Callable[[], object], str]] = [
    # Requantize and Lookup
    (lambda: requantizer(bias=1 << 31),
     "requantise bias must be -2147483648 to 2147483647, not 2147483648"),
    (lambda: requantizer(bias=[5, 1 << 31], multiplier=[1, 1]),
     "requantise bias must be -2147483648 to 2147483647, not 2147483648"),
    (lambda: requantizer(multiplier=[1, -1]),
     "requantise multiplier must be 0 to 2147483647, not -1"),
    (lambda: requantizer(shift=63), "requantise shift must be 0 to 62, not 63"),
    (lambda: requantizer(low=1, high=0),
     "requantise clamp must be ordered 16-bit bounds, not 1 to 0"),
    (lambda: requantizer(high=1 << 15),
     "requantise clamp must be ordered 16-bit bounds, not -128 to 32768"),
    (lambda: Lookup(table=np.zeros(1025, np.int64)),
     "lookup table must be 1 to 1024 entries, not shape (1025,)"),
    (lambda: Lookup(table=np.zeros(0, np.int64)),
     "lookup table must be 1 to 1024 entries, not shape (0,)"),
    (lambda: Lookup(table=np.array([1 << 15])), "lookup entries must fit 16 signed bits"),
    (lambda: Lookup(table=np.zeros(1, np.int64), shift=16), "lookup shift must be 0 to 15, not 16"),
    (lambda: Lookup(table=np.zeros(1, np.int64), offset=-(1 << 23) - 1),
     "lookup offset must fit 24 signed bits, not -8388609"),
    # Convolution and attention
    (lambda: convolver(weights=np.zeros((2, 3))),
     "convolution weights must be [out, height, width, in], not shape (2, 3)"),
    (lambda: convolver(weights=np.full((1, 1, 1, 1), 128)),
     "convolution weights must be -128 to 127"),
    (lambda: convolver(stride=(1, 0)),
     "at least 1 and padding at least 0, not (1, 0), (1, 1), (0, 0, 0, 0)"),
    (lambda: convolver(padding=(0, 0, -1, 0)),
     "at least 1 and padding at least 0, not (1, 1), (1, 1), (0, 0, -1, 0)"),
    (lambda: convolver(requantize=requantizer(bias=[0, 0, 0])),
     "requantise channels must be 1 or 2, not 3"),
    (lambda: convolver(formats=("pot4",)), "row formats must be one for each of 2 rows, not 1"),
    (lambda: convolver(formats=("pot4", "pot5x")), "row format must be one of"),
    (lambda: convolver(formats=("pot4", "binary")),
     "weights of row 1 must be on the grid of binary, not 0"),
    (lambda: convolver(products=73), "convolution products must be 0 to 72, one a weight, not 73"),
    (lambda: convolver(products=-1), "convolution products must be 0 to 72, one a weight, not -1"),
    (lambda: convolver().output_shape(2, 9), "convolution kernel must fit its input, not 2 x 9"),
    (lambda: accumulate(np.zeros((1, 5, 5, 3)), convolver()),
     "convolution input must have 4 channels, not 3"),
    (lambda: AttentionScores(heads=0, requantize=requantizer()),
     "attention heads must be at least 1, not 0"),
    (lambda: AttentionScores(heads=2, requantize=requantizer(bias=[1, 2])),
     "attention requantise must have 1 channel, not 2"),
    (lambda: split_heads(np.zeros((1, 2, 7)), 2), "channels must be a multiple of 2 heads, not 7"),
    # LayerNorm
    (lambda: norm(gain=[1 << 31, 0]), "layer norm gain must be [channels] of 32 signed bits"),
    (lambda: norm(offset=[[0], [0]]), "layer norm offset must be [channels] of 40 signed bits"),
    (lambda: norm(offset=[0]), "layer norm gain and offset must have one length"),
    (lambda: norm(mean_multiplier=1 << 17),
     "layer norm mean multiplier must be below 2**17, not 131072"),
    (lambda: norm(mean_shift=0), "layer norm mean shift must be 1 to 40, not 0"),
    (lambda: norm(mean_shift=41), "layer norm mean shift must be 1 to 40, not 41"),
    (lambda: norm(pre_shift=9), "layer norm pre-shift must be 0 to 8, not 9"),
    (lambda: norm(shift=63), "layer norm shift must be 0 to 62, not 63"),
    # Softmax and row functions
    (lambda: softmaxer(exp=np.zeros(1025)),
     "softmax table must be 1 to 1024 entries, not shape (1025,)"),
    (lambda: softmaxer(exp=[1 << 16]), "softmax table entries must be 0 to 65535"),
    (lambda: softmaxer(offset=1 << 23), "offset must fit 24 signed bits, not 8388608"),
    (lambda: softmaxer(offset=-(1 << 23) - 1), "offset must fit 24 signed bits, not -8388609"),
    (lambda: softmaxer(input_shift=16), "softmax input shift must be 0 to 15, not 16"),
    (lambda: segment(shift=48), "segment shift must be 0 to 47, not 48"),
    (lambda: segment(base=1023), "segment end must be below 1024, not 1024"),
    (lambda: segment(out_shift=63), "segment output shift must be 0 to 62, not 63"),
    (lambda: segment(offset=1 << 47),
     "segment offset must fit 48 signed bits, not 140737488355328"),
    (lambda: rows(table=np.zeros((2, 2))), "row table must be 1 to 1024 entries, not shape (2, 2)"),
    (lambda: rows(table=[-1, 0]), "row table entries must be 0 to 65535"),
    (lambda: rows(floating=True), "floating row table must be 1024 entries, not 4"),
    (lambda: rows(first=segment(last=4)),
     "segment must end inside 4 entries, not Segment(offset=0,"),
    (lambda: rows(second=segment(base=3)),
     "segment must end inside 4 entries, not Segment(offset=0,"),
    (lambda: reciprocal_table(0.0), "reciprocal gain must be above 0 and at most 16384, not 0.0"),
    (lambda: reciprocal_table(16385.0),
     "reciprocal gain must be above 0 and at most 16384, not 16385.0"),
    # Add and pools
    (lambda: adder(a_multiplier=1 << 24), "add a_multiplier must fit 25 signed bits, not 16777216"),
    (lambda: adder(b_multiplier=-(1 << 24) - 1),
     "add b_multiplier must fit 25 signed bits, not -16777217"),
    (lambda: adder(shift=-1), "add shift must be 0 to 62, not -1"),
    (lambda: window(kernel=(0, 1)),
     "pooling kernel and stride must be at least 1 and padding at least 0, not (0, 1), (1, 1), "),
    (lambda: window(padding=(0, -1, 0, 0)),
     "padding at least 0, not (2, 2), (1, 1), (0, -1, 0, 0)"),
    (lambda: window(padding=(0, 0, 0, 2)),
     "pooling padding must be smaller than the kernel (2, 2), not (0, 0, 0, 2)"),
    (lambda: window().output_shape(1, 5), "pooling kernel must fit its input, not 1 x 5"),
    (lambda: AveragePool(window=window(), multipliers=((4, 1 << 31), (2, 5)), shift=0),
     "average pool multipliers must be at most 2147483647, not 2147483648"),
    (lambda: AveragePool(window=window(), multipliers=((4, 1),), shift=0).multiplier(2),
     "average pool multipliers must cover a window of 2, not only [4]"),
    # Tensors
    (lambda: TensorType(shape=(1, 2), bits=4), "tensor bits must be 8 or 16, not 4"),
    (lambda: TensorType(shape=(3,)),
     "tensor shape must be 2 or 3 positive sizes such as (28, 28, 1), not (3,)"),
    (lambda: TensorType(shape=(3, 0)), "positive sizes such as (28, 28, 1), not (3, 0)"),
    (lambda: TensorType(shape=(1, 2), zero_point=128), "zero point must be -128 to 127, not 128"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "text"), REFUSED, ids=[text[:40] for _, text in REFUSED])
def test_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


@pytest.mark.parametrize(("make", "text"), [
    (lambda: layer_norm([[1 << 9, 0]], norm(pre_shift=8)),
     "layer norm input after its pre-shift must fit 18 signed bits"),
    (lambda: layer_norm([[1, -(1 << 9) - 1]], norm(pre_shift=8)),
     "layer norm input after its pre-shift must fit 18 signed bits"),
    # A sum of 2**14 inputs of 18 bits is the first that leaves 32.
    (lambda: layer_norm(np.outer([1, 0], np.full(1 << 15, (1 << 17) - 1)), many(1 << 15)),
     "layer norm sum must fit 32 signed bits"),
    (lambda: layer_norm(np.outer([1, 0], np.full(1 << 15, -(1 << 17))), many(1 << 15)),
     "layer norm sum must fit 32 signed bits"),
    (lambda: layer_norm([[131071, 131071, -131072]], norm(mean_multiplier=1)),
     "layer norm deviation must fit 18 signed bits"),
    (lambda: matmul_exact(np.full((1, 2), 1 << 26), np.full((2, 1), 1 << 26)),
     "matrix product must stay below 2**53, not 9007199254740992"),
    (lambda: requantize([(1 << 31) - 1], requantizer(bias=1)),
     "rescale operand must fit 32 signed bits, not 2147483648"),
])  # fmt: skip
def test_overflows(make: Callable[[], object], text: str) -> None:
    with pytest.raises(OverflowError, match=re.escape(text)):
        make()


def test_ends_of_every_range_are_legal() -> None:
    """The values just inside of what is refused."""
    requantizer(
        bias=-(1 << 31), multiplier=(1 << 31) - 1, shift=62, low=-(1 << 15), high=-(1 << 15)
    )
    Lookup(table=np.full(1024, -(1 << 15)), offset=(1 << 23) - 1, shift=15)
    convolver(weights=np.array([-128, 127]).reshape(2, 1, 1, 1))
    norm(gain=[-(1 << 31), (1 << 31) - 1], offset=[-(1 << 39), (1 << 39) - 1],
         mean_multiplier=(1 << 17) - 1, mean_shift=40, pre_shift=8, shift=62)  # fmt: skip
    rows(table=[5], first=segment(last=0))
    softmaxer(offset=-(1 << 23))
    softmaxer(offset=(1 << 23) - 1)
    segment(offset=-(1 << 47), shift=47, base=1022, out_shift=62)
    adder(a_multiplier=-(1 << 24), b_multiplier=(1 << 24) - 1, shift=62)
    window(padding=(1, 1, 1, 1))
    layer_norm([[511, -512]], norm(pre_shift=8))
    layer_norm_spec([1.0], [0.0], epsilon=1e-6, input_scale=0.1, output_scale=0.1, output_zero=0)


def test_layer_norm_leaves_room_for_its_largest_channel() -> None:
    """Fraction bits are as many as gain and offset of all channels allow, and no fewer."""

    def made(gamma: list[float], beta: list[float]) -> LayerNorm:
        return layer_norm_spec(
            gamma, beta, epsilon=1e-6, input_scale=0.1, output_scale=0.1, output_zero=0
        )

    # Codes of 8 bits are shifted to the top of the 18 bits that inputs have; of 16, they are there.
    assert made([1.0], [0.0]).pre_shift == 8
    small, high = made([1e-3, 1e-3], [0.5, 0.5]), made([1e-3, 1e-3], [1e9, 0.5])
    assert high.shift < small.shift
    assert 1 << 37 <= int(high.offset[0]) < 1 << 39
    steep = made([1e-3, 1e4], [0.5, 0.5])
    assert steep.shift < small.shift
    assert 1 << 22 <= int(steep.gain[1]) <= 1 << 23


def test_rows_of_a_requantiser() -> None:
    """Channels from start to stop; what holds for every channel stays."""
    part = requantizer(bias=[1, 2, 3, 4], multiplier=[5, 6, 7, 8], shift=9, low=-3).rows(1, 3)
    assert (part.bias.tolist(), part.multiplier.tolist()) == ([2, 3], [6, 7])
    assert (part.shift.tolist(), part.low, part.channels) == ([9], -3, 2)


def test_operators_yield_all_codes_of_eight_bits_unless_told() -> None:
    pool = AveragePool(window=window(), multipliers=((4, 1),), shift=0)
    for one in (requantizer(), norm(), softmaxer(), adder(), pool, MaxPool(window=window())):
        assert (one.low, one.high) == (-128, 127), one


def test_rows_have_eight_bits_unless_told() -> None:
    weights = np.zeros((2, 1, 1, 3))
    assert convolver(weights=weights).row_formats == ("fixed8", "fixed8")
    assert convolver(weights=weights, formats=("fixed4", "fixed8")).row_formats == (
        "fixed4",
        "fixed8",
    )


def test_products_are_exact_beyond_single_precision() -> None:
    """4097 squared is odd and above 2**24: the first kind of sum that a float32 rounds."""
    assert matmul_exact(np.array([[4097]]), np.array([[4097]])).tolist() == [[16_785_409]]
