"""Cycles from operands to results, as functions of the sizes of a machine.

:mod:`hdl.engine.row_drain` and :mod:`hdl.vector.vector_unit` take their latency from here, as the
estimate of cycles does; the digital array takes the adders' radix, from which its latency follows.
Sizes are numbers or arrays of numbers (one for each machine).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["LANE_LATENCY", "RADIX", "digital_latency", "drain_latency", "levels"]

Number = TypeVar("Number", int, NDArray[np.int64])

RADIX = 4
"""Terms of an adder, or choices of a selection, between two registers.

A selection's four data and two select bits fill a six-input LUT.
"""
LANE_LATENCY = 12
"""Cycles from an operand of the vector unit's lane to its result code."""


def levels(count: Number) -> Number:
    """Registered levels of a tree that brings ``count`` values together, four by four."""
    powers = RADIX ** np.arange(31)
    found = np.searchsorted(powers, count)
    return int(found) if isinstance(count, int) else found


def digital_latency(lanes: Number) -> Number:
    """Cycles of the digital array from the last operands of a K loop to its sums.

    One each for the operands' register, the products and the accumulators; and the adder tree.
    """
    return 3 + levels(lanes)


def drain_latency(places: Number, width: Number) -> Number:
    """Cycles from the sums of a K loop to the first ``width`` of them at the drain's output.

    One for the register that holds the sums; and selections of groups among all ``places``.
    """
    return 1 + levels(-(-places // width))
