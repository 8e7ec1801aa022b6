"""Stored measurements that are only compared with while they are of the hardware as it is."""

from __future__ import annotations

import pytest

from flows.estimate.stale import stale_notes

__all__ = ["skip_if_stale"]


def skip_if_stale(kind: str) -> None:
    """Skip a test of a calibration that every estimate says is stale: its error is another one."""
    for note in stale_notes(kind):
        pytest.skip(note)
