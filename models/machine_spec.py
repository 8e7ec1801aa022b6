"""Former place of :mod:`models.machine.spec`."""

from models.machine.spec import MachineSpec

__all__ = ["MachineSpec"]
