"""Cycles of a network on one machine that it was mapped to."""

from __future__ import annotations

from flows.estimate.cycles.cycle_estimate import CycleEstimate
from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.found_network import Network
from flows.estimate.cycles.program_cycles import program_cycles
from flows.estimate.machine_points import Points
from models.machine.memory import NEAR, MemoryTiming
from models.machine.spec import MachineSpec

__all__ = ["machine_cycles"]


def machine_cycles(
    network: Network,
    spec: MachineSpec,
    bytes_per_cycle: float | None = None,
    memory: MemoryTiming = NEAR,
) -> CycleEstimate:
    """Estimate a network on the machine that it was mapped to (:meth:`Network.on`).

    By its layers if each is made at once; by its program if some are made in strips or in parts.

    Parameters
    ----------
    bytes_per_cycle : float, optional
        What memory yields, if that is less than the bus takes and than its rate.
    memory : MemoryTiming
        Its latencies and its rate.
    """
    if network.program is not None:
        return program_cycles(network.program, bytes_per_cycle, memory)
    points = Points.of([spec], "xcup")
    return estimate_cycles(points, network.layers, bytes_per_cycle, memory=memory)
