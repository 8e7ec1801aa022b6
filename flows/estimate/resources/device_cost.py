"""The estimated cost of a machine by the figures that a device is measured in."""

from __future__ import annotations

from flows.boards.board import DEVICE, Board
from flows.estimate.resources.resources import estimate_resources
from models.machine.spec import MachineSpec

__all__ = ["device_cost"]


def device_cost(spec: MachineSpec, board: Board) -> dict[str, int]:
    """LUTs, flip-flops, DSP slices and block RAMs, by their names in ``DEVICE``."""
    found = estimate_resources(spec, board.family)
    return {name: getattr(found, name) for name in DEVICE}
