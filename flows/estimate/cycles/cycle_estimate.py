"""Result of an estimate of cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BOUNDS", "NEEDS", "CycleEstimate"]

BOUNDS = (
    "array", "array (part-filled tiles or words)", "vector (drain)", "weights (bandwidth)",
    "weights (tile writes)", "vector", "memory (bandwidth)", "nothing",
)  # fmt: skip
"""Bounds of a layer's time; :attr:`CycleEstimate.bound` holds indices of these."""
NEEDS = ("depth", "banks * bank_words", "param_entries", "rows for activations")
"""Resources that a network needs: three parameters, and :attr:`MachineSpec.dynamic_rows`."""


@dataclass(frozen=True, kw_only=True)
class CycleEstimate:
    """Estimates for ``n`` machines and ``k`` layers, network input first and output last.

    Attributes
    ----------
    names : k names
    cycles : int array [n, k]
        Delay of the end by each layer: a layer that overlaps with others has fewer cycles than
        its own work. They add up to the network's total.
    busy : int array [n, k]
        Cycles of its own work on the unit that bounds it.
    read_bytes, written_bytes : int array [n, k]
        Memory traffic, descriptors included. Weights are read once an image.
    bound : int array [n, k]
        Indices of :data:`BOUNDS`.
    needs, has : int arrays [n] by the names of :data:`NEEDS`
        The least that the network needs of a parameter, and what the machine has. For the
        scratchpad it is what the largest layer reads and writes; the mapper may need more.
    """

    names: tuple[str, ...]
    cycles: NDArray[np.int64]
    busy: NDArray[np.int64]
    read_bytes: NDArray[np.int64]
    written_bytes: NDArray[np.int64]
    bound: NDArray[np.int8]
    needs: Mapping[str, NDArray[np.int64]]
    has: Mapping[str, NDArray[np.int64]]

    @property
    def fits(self) -> NDArray[np.bool_]:
        """``[n]`` whether the machine has what the network needs."""
        good = [self.needs[name] <= self.has[name] for name in NEEDS]
        every: NDArray[np.bool_] = np.logical_and.reduce(good)
        return every

    def lacking(self, index: int, network: str) -> str | None:
        """The reason why a machine is too small for a network; None if it is not."""
        for name in NEEDS:
            needed, has = int(self.needs[name][index]), int(self.has[name][index])
            if needed > has:
                return f"{name} must be at least {needed} for {network} on this machine, not {has}"
        return None

    @property
    def total(self) -> NDArray[np.int64]:
        """``[n]`` cycles an image."""
        total: NDArray[np.int64] = self.cycles.sum(axis=1)
        return total
