"""Elementwise functions of real numbers, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["COST_MAX", "DEPTH_MAX", "Array", "Function", "Steps", "cost_of"]

Array: TypeAlias = NDArray[np.float64]
Function: TypeAlias = Callable[[Array], Array]

COST_MAX, DEPTH_MAX = 4096, 48
"""Functions in a row and within one another: more only slow the import, or end Python's stack."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Elementwise functions one after the other.

    Parameters
    ----------
    parts : the functions, first one first
    cost : evaluations that one call takes
    depth : calls within calls
    """

    parts: tuple[Function, ...]
    cost: int
    depth: int

    def __call__(self, real: Array) -> Array:
        for part in self.parts:
            real = part(real)
        return real


def cost_of(function: Function | None) -> tuple[int, int]:
    """Evaluations and nesting of a function."""
    if function is None:
        return 0, 0
    return (function.cost, function.depth) if isinstance(function, Steps) else (1, 1)
