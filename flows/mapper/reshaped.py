"""What is said of a reshape that moves channels."""

from __future__ import annotations

from math import prod

__all__ = ["reshaped"]


def reshaped(source: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Return the error message for a reshape that moves channels."""
    positions = " x ".join(map(str, source[:-1]))
    if prod(source) == shape[-1]:
        return (
            f"{positions} positions of {source[-1]} channels, flattened, must be read by linear "
            f"layers and element-wise operators alone; pool to one position first (global "
            f"average), or normalise and concatenate before the flatten"
        )
    return (
        f"a reshape must keep the {source[-1]} channels of every position together, not make "
        f"{list(shape)} of {list(source)}; reshape positions only"
    )
