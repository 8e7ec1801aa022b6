"""Tensors in memory windows: every code at its byte, and back; patches against the convolution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.numerics.rescale import Integers
from models.ops.convolution import Convolution, accumulate
from models.ops.requantize import Requantize
from models.program.host_data import Patches, TensorFormat


@st.composite
def formats(draw: st.DrawFn) -> TensorFormat:
    """Formats of any word size and pitch, heads and widths."""
    groups = draw(st.integers(1, 4))
    channels = groups * draw(st.integers(1, 20))
    rows = draw(st.integers(1, 7))
    word = 2 * draw(st.integers(1, 13))
    beat = draw(st.sampled_from([4, 8, 16]))
    return TensorFormat(
        shape=(rows, channels),
        rows=rows,
        channels=channels,
        word_bytes=word,
        word_pitch=-(-word // beat) * beat,
        bits=draw(st.sampled_from([8, 16])),
        groups=groups,
    )


def codes_for(layout: TensorFormat, seed: int) -> Integers:
    """Codes of the format's width, many at the ends."""
    rng = np.random.default_rng(seed)
    high = 1 << layout.bits - 1
    codes = rng.integers(-high, high, layout.shape)
    return np.where(
        rng.random(layout.shape) < 0.2, rng.choice([-high, high - 1], layout.shape), codes
    )


def byte_at(layout: TensorFormat, row: int, channel: int) -> int:
    """Where a code's first byte lies: groups begin a word, words lie at their pitch."""
    size = layout.bits // 8
    part = layout.channels // layout.groups
    group_words = -(-part * size // layout.word_bytes)
    group, inside = divmod(channel, part)
    word, byte = divmod(inside * size, layout.word_bytes)
    whole = (row * layout.groups + group) * group_words + word
    return whole * layout.word_pitch + byte


@settings(max_examples=150)
@given(layout=formats(), seed=st.integers(0, 1 << 32))
def test_every_code_has_its_bytes(layout: TensorFormat, seed: int) -> None:
    codes = codes_for(layout, seed)
    data = layout.pack(codes)
    want = np.zeros(layout.size_bytes, dtype=np.uint8)
    size = layout.bits // 8
    for (row, channel), code in np.ndenumerate(codes):
        at = byte_at(layout, row, channel)
        want[at : at + size] = list(int(code).to_bytes(size, "little", signed=True))
    wrong = np.flatnonzero(data != want)
    assert not len(wrong), (
        f"byte {wrong[0]}: got {data[wrong[0]]}, want {want[wrong[0]]} ({layout}, seed {seed})"
    )


@settings(max_examples=150)
@given(layout=formats(), seed=st.integers(0, 1 << 32))
def test_round_trip(layout: TensorFormat, seed: int) -> None:
    """Also from a longer window whose pad bytes hold anything."""
    codes = codes_for(layout, seed)
    data = layout.pack(codes)
    used = np.zeros(len(data), dtype=bool)
    for row, channel in np.ndindex(*layout.shape):
        at = byte_at(layout, row, channel)
        used[at : at + layout.bits // 8] = True
    noise = np.random.default_rng(seed).integers(0, 256, len(data) + 24, dtype=np.uint8)
    noise[: len(data)][used] = data[used]
    assert layout.unpack(noise).tolist() == codes.tolist()


def test_wrong_shape() -> None:
    layout = TensorFormat(shape=(2, 3), rows=2, channels=3, word_bytes=4, word_pitch=4)
    with pytest.raises(ValueError, match=r"tensor must be \(2, 3\), not \(3, 2\)"):
        layout.pack(np.zeros((3, 2)))


@st.composite
def stems(draw: st.DrawFn) -> tuple[Convolution, tuple[int, int, int]]:
    """A convolution of any kernel, stride, padding and dilation, and an image it fits."""
    small = st.integers(1, 3)
    kernel, stride, dilation = ((draw(small), draw(small)) for _ in range(3))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    channels = draw(small)
    size = tuple(
        draw(st.integers(max(1, d * (k - 1) + 1 - p), 9))
        for k, d, p in zip(kernel, dilation, padding, strict=False)
    )
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    op = Convolution(
        weights=rng.integers(-128, 128, (3, *kernel, channels)),
        requantize=Requantize(bias=0, multiplier=1, shift=0),  # type: ignore[arg-type]
        stride=stride,
        padding=padding,  # type: ignore[arg-type]
        dilation=dilation,
        input_zero=draw(st.sampled_from([-128, -3, 0, 127])),
    )
    return op, (size[0], size[1], channels)


@settings(max_examples=150)
@given(stem=stems(), seed=st.integers(0, 1 << 32))
def test_patches_are_receptive_fields(
    stem: tuple[Convolution, tuple[int, int, int]], seed: int
) -> None:
    """The product of patches and flat weights is the golden convolution's accumulator."""
    op, shape = stem
    tall, wide, _ = op.output_shape(*shape[:2])
    out, kernel_y, kernel_x, channels = op.weights.shape
    layout = TensorFormat(
        shape=shape,
        rows=tall * wide,
        channels=kernel_y * kernel_x * channels,
        word_bytes=6,
        word_pitch=8,
        patches=Patches(
            kernel=(kernel_y, kernel_x),
            stride=op.stride,
            padding=op.padding,
            dilation=op.dilation,
            zero=op.input_zero,
        ),
    )
    image = codes_for(
        TensorFormat(shape=shape, rows=1, channels=1, word_bytes=1, word_pitch=1), seed
    )
    plain = TensorFormat(
        shape=(layout.rows, layout.channels), rows=layout.rows, channels=layout.channels,
        word_bytes=6, word_pitch=8,
    )  # fmt: skip
    rows = plain.unpack(layout.pack(image))
    got = (rows - op.input_zero) @ op.weights.reshape(out, -1).T
    want = accumulate(image[None], op)[0].reshape(-1, out)
    assert got.tolist() == want.tolist()
