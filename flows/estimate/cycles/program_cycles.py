"""Cycles of a program that a network was mapped to, descriptor by descriptor.

Layers in strips or in parts of K are many products, loads and stores whose tokens order them: their
times are taken from the program itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flows.estimate.cycles.cycle_estimate import NEEDS, CycleEstimate
from flows.estimate.cycles.geometry import Column, dynamic_rows
from flows.estimate.cycles.mapped_program import MappedProgram
from flows.estimate.cycles.program_walk import ProgramWalk
from flows.estimate.cycles.slowdown import slowdown_of
from models.machine.memory import NEAR, MemoryTiming

__all__ = ["program_cycles"]

WALKS = 6
"""Walks after which fetches are where they were in the one before, or nearly so."""


def program_cycles(
    mapped: MappedProgram, bytes_per_cycle: float | None = None, memory: MemoryTiming = NEAR
) -> CycleEstimate:
    """Estimate a mapped network on its machine.

    Parameters
    ----------
    bytes_per_cycle : float, optional
        What memory yields, if that is less than the bus takes and than its rate.
    memory : MemoryTiming
        Its latencies and its rate.

    Returns
    -------
    CycleEstimate
        Of one machine. It needs nothing that the machine has not: the mapper has seen to that.
    """
    spec = mapped.spec
    slowdown = float(slowdown_of(np.array([spec.axi_bytes]), bytes_per_cycle, memory)[0])
    beside: list[int] | None = None
    for _ in range(WALKS):
        walk = ProgramWalk(mapped, slowdown, memory, beside)
        rows = walk.run()
        found = walk.fetches()
        if found == beside:
            break
        beside = found
    for figures, layer in zip(rows[1:], mapped.layers, strict=False):
        figures.macs = layer.macs

    def table(values: Sequence[int]) -> Column:
        return np.array([values], dtype=np.int64)

    points = walk.points
    seen = [figures.bound(spec, slowdown) for figures in rows]
    has = (points.depth, points.banks * points.bank_words, points.param_entries,
           dynamic_rows(points))  # fmt: skip
    return CycleEstimate(
        names=("input", *(layer.name for layer in mapped.layers), "output"),
        cycles=table([one.cycles for one in rows]),
        busy=table([busy for _, busy in seen]),
        read_bytes=table([one.read_bytes for one in rows]),
        written_bytes=table([one.written_bytes for one in rows]),
        bound=table([bound for bound, _ in seen]).astype(np.int8),
        needs=dict.fromkeys(NEEDS, np.zeros(1, dtype=np.int64)),
        has=dict(zip(NEEDS, has, strict=True)),
    )
