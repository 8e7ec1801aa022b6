"""How much slower than the bus a memory is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycles.geometry import Column
from models.machine.memory import MemoryTiming

__all__ = ["slowdown_of"]


def slowdown_of(
    bus_bytes: Column, bytes_per_cycle: float | None, memory: MemoryTiming
) -> NDArray[np.float64]:
    """``[n]`` cycles that a beat of reads alone, or of writes alone, takes at least.

    Parameters
    ----------
    bus_bytes : ``[n]`` bytes of a beat
    bytes_per_cycle : what is assumed of the memory besides, if anything
    """
    most = bus_bytes * memory.beats_per_cycle
    rate = most if bytes_per_cycle is None else np.minimum(most, bytes_per_cycle)
    slowdown: NDArray[np.float64] = bus_bytes / rate
    return slowdown
