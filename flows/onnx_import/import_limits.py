"""What a network file may ask for: bounds that keep an import within seconds and a gigabyte."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flows.onnx_import.network_error import NetworkError, shape_text

__all__ = ["CONSTANT_MAX", "DENSE_MAX", "ELEMENTS_MAX", "NODES_MAX", "check_elements"]

ELEMENTS_MAX = 1 << 22
"""Elements of a tensor computed from the image: 32 times the words of the largest scratchpad."""
CONSTANT_MAX = 1 << 24
"""Elements of a constant that is worked out while the file is read."""
DENSE_MAX = 1 << 26
"""Weights of all grouped convolutions of a network once they are dense: half a gigabyte."""
NODES_MAX = 20_000
"""Nodes that the result depends on."""


def check_elements(what: str, shape: Sequence[int], most: int = ELEMENTS_MAX) -> None:
    """Refuse a tensor that no machine holds, before memory is taken for it.

    Raises
    ------
    NetworkError
        If it has more elements than ``most``.
    """
    if math.prod(shape) > most:
        raise NetworkError(
            f"{what} must have at most {most:,} elements, not {math.prod(shape):,} "
            f"(shape {shape_text(list(shape))})"
        )
