"""Quantised tensors: integer codes, and what they stand for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.numerics.rescale import Integers


@dataclass(frozen=True, kw_only=True)
class TensorType:
    """Shape and number type of one tensor of an integer graph (one image; no batch axis).

    Parameters
    ----------
    shape : tuple of int
        ``(height, width, channels)``, ``(tokens, channels)`` or ``(heads, tokens, keys)``.
    bits : int
        Storage of a code: 8 or 16, two's complement.
    scale, zero_point : float, int
        ``real = scale * (code - zero_point)``. Never used by integer operators; kept for people
        and for the host that quantises images and reads logits.
    host : str
        What the network's file takes or gives in this place: ``float32``, or codes of the type
        ``int8`` or ``uint8`` (128 more than the codes here). Of inputs and outputs only.
    """

    shape: tuple[int, ...]
    bits: int = 8
    scale: float = 1.0
    zero_point: int = 0
    host: str = "float32"

    def __post_init__(self) -> None:
        if self.bits not in (8, 16):
            raise ValueError(f"tensor bits must be 8 or 16, not {self.bits}")
        if self.host not in ("float32", "int8", "uint8"):
            raise ValueError(f"tensor host must be float32, int8 or uint8, not {self.host}")
        if not 2 <= len(self.shape) <= 3 or min(self.shape) < 1:
            raise ValueError(
                f"tensor shape must be 2 or 3 positive sizes such as (28, 28, 1), not {self.shape}"
            )
        if not self.low <= self.zero_point <= self.high:
            raise ValueError(f"zero point must be {self.low} to {self.high}, not {self.zero_point}")

    @property
    def low(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.bits - 1)) - 1

    def quantize(self, real: ArrayLike) -> Integers:
        """Codes of real numbers: nearest, ties to even, saturated (ONNX ``QuantizeLinear``)."""
        codes = np.rint(np.asarray(real, dtype=np.float64) / self.scale) + self.zero_point
        clipped: Integers = np.clip(codes, self.low, self.high).astype(np.int64)
        return clipped

    def codes_of(self, given: ArrayLike) -> Integers:
        """Codes of what the network's file takes: real numbers, or codes of the host's type."""
        if self.host == "float32":
            return self.quantize(given)
        codes: Integers = np.asarray(given, dtype=np.int64) - (128 if self.host == "uint8" else 0)
        return codes

    def dequantize(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Real numbers of codes."""
        real: NDArray[np.float64] = np.asarray(codes, dtype=np.float64)
        return (real - self.zero_point) * self.scale
