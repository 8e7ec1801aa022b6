"""Size limits of network files, which keep an import within seconds and a gigabyte."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flows.onnx_import.network_error import NetworkError, shape_text

__all__ = ["CONSTANT_MAX", "ELEMENTS_MAX", "NODES_MAX", "check_elements"]

ELEMENTS_MAX = 1 << 22
"""Most elements of a computed tensor: 32 times the words of the largest scratchpad."""
CONSTANT_MAX = 1 << 24
"""Most elements of a constant that is folded during the import."""
NODES_MAX = 20_000
"""Most nodes that the result depends on."""


def check_elements(what: str, shape: Sequence[int], most: int = ELEMENTS_MAX) -> None:
    """Refuse a tensor that no machine holds, before memory is allocated for it.

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
