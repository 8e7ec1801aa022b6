"""Former place of :mod:`flows.machine.default`."""

from flows.machine.default import default_machine

__all__ = ["default_machine"]
