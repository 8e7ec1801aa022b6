"""Cycles from operands to results, as functions of the sizes of a machine.

:mod:`hdl.engine.row_drain`, :mod:`hdl.vector` and :mod:`hdl.memory.scratchpad` take their latency
from here, as the estimate of cycles does; the digital array takes its chains and the adders' radix,
from which its latency follows.
Sizes are numbers or arrays of numbers (one for each machine).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CHECK_LATENCY",
    "DISPATCH_LATENCY",
    "DONE_LATENCY",
    "FETCHES_AHEAD",
    "ISSUE_LATENCY",
    "LANE_LATENCY",
    "LOADS_AT_ONCE",
    "LOAD_BEATS",
    "NORM_CYCLES",
    "NORM_SCALARS",
    "RADIX",
    "READ_LATENCY",
    "REDUCE_STAGE",
    "RESET_LATENCY",
    "RESULT_LATENCY",
    "RESULT_PLACES",
    "SOFTMAX_CYCLES",
    "SOFTMAX_SCALARS",
    "SPLIT_LATENCY",
    "START_LATENCY",
    "STORES_AT_ONCE",
    "chain_lengths",
    "digital_latency",
    "drain_latency",
    "levels",
    "reduce_latency",
]

Number = TypeVar("Number", int, NDArray[np.int64])

RADIX = 4
"""Terms of an adder, or choices of a selection, between two registers.

A selection's four data and two select bits fill a six-input LUT.
"""
LANE_LATENCY = 16
"""Cycles from an operand of the vector unit's lane to its result code."""

CHECK_LATENCY = 2
"""Cycles from the place of a transfer to whether its window holds it."""
SPLIT_LATENCY = 2
"""Cycles from a run of bus beats to its first burst, and from a burst to the next one."""
DISPATCH_LATENCY = 3
"""Cycles from a descriptor's way into its queue to its start, if nothing is in its way."""
START_LATENCY = 2
"""Cycles from the end of a descriptor to the start of one that waited for it."""
FETCHES_AHEAD = 2
"""Descriptors that are asked for before the first of them has come.

More of them would only take the bus from the loads that the first ones ask for.
"""
LOADS_AT_ONCE = 4
"""Loads under way: the first one's beats arrive while the others' are asked for."""
LOAD_BEATS = 128
"""Beats of loads that are asked for before the first one has come, or that wait to be written."""
STORES_AT_ONCE = 2
"""Stores under way: the first one waits for its responses while the other one writes."""
RESET_LATENCY = 2
"""Cycles from the start of a run to the reset of all units."""
READ_LATENCY = 5
"""Cycles from an address that a scratchpad reader takes to its word, if nobody else has the bank.

One each for the slice of addresses, the memory and the selection of its bank; two for the queue.
"""

REDUCE_STAGE = 4
"""Cycles from an operand to the lane's outputs for the row reductions."""

ISSUE_LATENCY = 3
"""Cycles from words or accumulators to the lanes' operands."""

RESULT_LATENCY = 2
"""Cycles from result codes to the scratchpad's write port."""

DONE_LATENCY = 1
"""Cycles from the write of a descriptor's last results to the vector unit's being done."""

NORM_CYCLES, SOFTMAX_CYCLES = 9, 8
"""Cycles that the scalars of a row keep :class:`hdl.vector.row_scalar.RowScalar` from the next."""

NORM_SCALARS, SOFTMAX_SCALARS = 16, 9
"""Cycles from a row's sums to its scalars."""

RESULT_PLACES = 32
"""Results that wait for the write port or are on their way to it; a LUT memory holds 32.

More than the cycles from a beat to its write, so that the vector unit need not wait for places.
"""


def levels(count: Number) -> Number:
    """Registered levels of a tree that brings ``count`` values together, four by four."""
    powers = RADIX ** np.arange(31)
    found = np.searchsorted(powers, count)
    return int(found) if isinstance(count, int) else found


def chain_lengths(lanes: int) -> list[int]:
    """Lanes of the digital array whose products are added one after another, chain by chain."""
    return [min(RADIX, lanes - start) for start in range(0, lanes, RADIX)]


def digital_latency(lanes: Number) -> Number:
    """Cycles of the digital array from the last operands of a K loop to its sums.

    One each for the operands' register, that of the weight memories' output, the products and the
    accumulators; one for each lane of a chain; the adder tree over the chains; two for the queue
    behind the drain.
    """
    found = 6 + np.minimum(lanes, RADIX) + levels(-(-lanes // RADIX))
    return int(found) if isinstance(lanes, int) else found


def drain_latency(places: Number, width: Number) -> Number:
    """Cycles from the sums of a K loop to the first ``width`` of them at the drain's output.

    One for the register that holds the sums; and selections of groups among all ``places``.
    """
    return 1 + levels(-(-places // width))


def reduce_latency(lanes: Number) -> Number:
    """Cycles of the row reductions from a row's last values to its sums.

    One for the choice of values; the tree over the lanes; and the sum over the row's beats.
    """
    return 2 + levels(lanes)
