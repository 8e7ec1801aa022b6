"""Former place of :mod:`flows.work.inputs`."""

from flows.work.inputs import read_inputs

__all__ = ["read_inputs"]
