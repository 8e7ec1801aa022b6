"""PNG images as data addresses, for pages that need no other file."""

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["data_address", "encode"]

GREY, COLOUR = 0, 2


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of an array ``[height, width]`` (grey) or ``[height, width, 3]``."""
    kind = GREY if pixels.ndim == 2 else COLOUR
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    unfiltered = np.zeros((height, 1), np.uint8)
    data = zlib.compress(np.hstack([unfiltered, rows]).tobytes(), 9)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def data_address(pixels: NDArray[np.float64]) -> str:
    """A ``data:`` address of an image, its range stretched to black and white."""
    low, high = float(pixels.min()), float(pixels.max())
    stretched = (pixels - low) * (255 / (high - low) if high > low else 0)
    content = encode(np.rint(stretched).astype(np.uint8))
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check
