"""The hash of :mod:`models.cim.noise` for compiled loops."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from models.cim.noise import FINISH, FINISH_SHIFTS, MIX, MIX_SHIFTS

__all__ = ["hashes"]


@cache
def hashes() -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return compiled ``mix``, and the last rounds for a word XOR a column's key; both uint32."""
    import numba

    # Explicit types: numba widens integers otherwise.
    uint32: Any = numba.types.uint32
    compiled: Callable[..., Any] = numba.njit(nogil=True, error_model="numpy")
    a, b = (uint32(factor) for factor in MIX)
    p, q, r = (uint32(by) for by in MIX_SHIFTS)
    c, d = (uint32(factor) for factor in FINISH)
    s, t = (uint32(by) for by in FINISH_SHIFTS)

    @compiled
    def mix(v: Any) -> Any:
        v = uint32(v ^ (v >> p))
        v = uint32(v * a)
        v = uint32(v ^ (v >> q))
        v = uint32(v * b)
        return uint32(v ^ (v >> r))

    @compiled
    def finished(z: Any) -> Any:
        z = uint32(z * c)
        z = uint32(z ^ (z >> s))
        z = uint32(z * d)
        return uint32(z ^ (z >> t))

    return mix, finished
