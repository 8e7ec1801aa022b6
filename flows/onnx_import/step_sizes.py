"""Chains of elementwise functions of real numbers."""

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
"""Most evaluations, and deepest nesting, of a chain: limits import time and Python's stack."""


@dataclass(frozen=True, eq=False)
class Steps:
    """A chain of elementwise functions.

    Parameters
    ----------
    parts : functions, in order of application
    cost : evaluations per call
    depth : nesting of calls
    """

    parts: tuple[Function, ...]
    cost: int
    depth: int

    def __call__(self, real: Array) -> Array:
        for part in self.parts:
            real = part(real)
        return real


def cost_of(function: Function | None) -> tuple[int, int]:
    """Return the evaluations and the nesting of a function."""
    if function is None:
        return 0, 0
    return (function.cost, function.depth) if isinstance(function, Steps) else (1, 1)
