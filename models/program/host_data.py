"""Converts tensors for the host: codes to the input window's bytes, output window to codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.numerics.rescale import Integers


@dataclass(frozen=True, kw_only=True)
class Patches:
    """Layout of the first convolution's receptive fields, one per row (im2col by the host).

    The few channels of an image would leave most of a scratchpad word empty; on rows of patches the
    stem is a linear layer. Row = output position, channels = kernel row x kernel column x channel;
    positions outside the image hold ``zero``.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    zero: int


@dataclass(frozen=True, kw_only=True)
class TensorFormat:
    """A tensor in a memory window: ``rows`` rows of ``pitch_bytes`` bytes.

    Each scratchpad word occupies ``word_pitch`` bytes, of which the first ``word_bytes`` are data;
    a row's channels fill its words, in ``groups`` equal groups that each begin a word.

    Parameters
    ----------
    shape : tuple of int
        The network's tensor shape.
    bits : int
        8 or 16.
    """

    shape: tuple[int, ...]
    rows: int
    channels: int
    word_bytes: int
    word_pitch: int
    bits: int = 8
    groups: int = 1
    patches: Patches | None = None

    @property
    def row_words(self) -> int:
        """Scratchpad words of a row."""
        part = self.channels // self.groups * (self.bits // 8)
        return self.groups * -(-part // self.word_bytes)

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole tensor."""
        return self.rows * self.row_words * self.word_pitch

    def pack(self, codes: ArrayLike) -> NDArray[np.uint8]:
        """Convert codes of one image ``[*shape]`` to the window's bytes, with 0 as padding."""
        rows = np.asarray(codes, dtype=np.int64)
        if rows.shape != self.shape:
            raise ValueError(f"tensor must be {self.shape}, not {rows.shape}")
        if self.patches is not None:
            rows = _patches(rows, self.patches)
        flat = rows.reshape(self.rows, self.groups, -1).astype(f"<i{self.bits // 8}")
        raw = np.ascontiguousarray(flat).view(np.uint8).reshape(self.rows, self.groups, -1)
        words = self.row_words // self.groups
        filled = np.zeros((self.rows, self.groups, words * self.word_bytes), dtype=np.uint8)
        filled[:, :, : raw.shape[2]] = raw
        pitched = np.zeros((self.rows * self.row_words, self.word_pitch), dtype=np.uint8)
        pitched[:, : self.word_bytes] = filled.reshape(-1, self.word_bytes)
        return pitched.reshape(-1)

    def unpack(self, data: ArrayLike) -> Integers:
        """Convert the window's bytes to codes ``[*shape]``; not possible with patches."""
        raw = np.asarray(data, dtype=np.uint8)[: self.size_bytes]
        words = raw.reshape(-1, self.word_pitch)[:, : self.word_bytes]
        rows = np.ascontiguousarray(words).reshape(self.rows, self.groups, -1)
        part = self.channels // self.groups * (self.bits // 8)
        codes = np.ascontiguousarray(rows[:, :, :part]).view(f"<i{self.bits // 8}")
        return codes.astype(np.int64).reshape(self.shape)


def _patches(image: Integers, spec: Patches) -> Integers:
    """Rearrange an image to patches ``[positions, kernel_y * kernel_x * channels]``."""
    top, left, bottom, right = spec.padding
    padded = np.pad(image, ((top, bottom), (left, right), (0, 0)), constant_values=spec.zero)
    reach_y = spec.dilation[0] * (spec.kernel[0] - 1)
    reach_x = spec.dilation[1] * (spec.kernel[1] - 1)
    taps = []
    for ky in range(spec.kernel[0]):
        for kx in range(spec.kernel[1]):
            y, x = ky * spec.dilation[0], kx * spec.dilation[1]
            taps.append(
                padded[
                    y : y + padded.shape[0] - reach_y : spec.stride[0],
                    x : x + padded.shape[1] - reach_x : spec.stride[1],
                ]
            )
    stacked = np.stack(taps, axis=2)
    rows: Integers = stacked.reshape(stacked.shape[0] * stacked.shape[1], -1)
    return rows
