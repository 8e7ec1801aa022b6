"""Stored measurements that are only compared with while they are of the hardware as it is."""

from __future__ import annotations

from flows.estimate.stale import stale_notes

__all__ = ["told_as_stale"]


def told_as_stale(kind: str) -> bool:
    """Whether every estimate says that a calibration is stale: then its error is another one."""
    notes = stale_notes(kind)
    return any(f"the calibration of {kind} is stale" in note for note in notes)
