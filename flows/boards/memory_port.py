"""What is known of the memory behind a board's port, and the timing that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from models.machine.memory import NEAR, RATE_UNIT, MemoryTiming

__all__ = ["MEMORIES", "MemoryPort"]

MEMORIES = ("near", "board")
"""Memories by which figures can be had."""
NO_LIMIT = 2 * RATE_UNIT


@dataclass(frozen=True, kw_only=True)
class MemoryPort:
    """The memory that a board's machine works in, behind one port of the processor system.

    Attributes
    ----------
    peak_mb_s
        what the memory's data bus passes at most, reads and writes together.
    efficiency
        share of it that is left for data between refreshes, changes of row and turns of direction;
        assumed.
    latency
        cycles of the fabric clock from a read address to the first beat, and from the last beat of
        a write burst to its response; assumed.
    reads, writes
        bursts that the port takes before the first one has ended.
    source
        where these facts are from.
    """

    peak_mb_s: float
    efficiency: float = 0.7
    latency: int = 90
    reads: int = 8
    writes: int = 8
    source: str

    def timing(self, clock_mhz: float, bus_bytes: int) -> MemoryTiming:
        """The board's memory as a machine at that clock sees it on its bus."""
        rate = self.efficiency * self.peak_mb_s / clock_mhz / bus_bytes
        return MemoryTiming(
            name="board",
            read_latency=self.latency,
            write_latency=self.latency,
            reads=self.reads,
            writes=self.writes,
            rate=max(1, min(NO_LIMIT, int(rate * RATE_UNIT))),
        )

    def named(self, name: str, clock_mhz: float, bus_bytes: int) -> MemoryTiming:
        """One of :data:`MEMORIES`.

        Raises
        ------
        ValueError
            if the name is no memory's.
        """
        if name not in MEMORIES:
            raise ValueError(f"memory must be {' or '.join(MEMORIES)}, not {name!r}")
        return NEAR if name == NEAR.name else self.timing(clock_mhz, bus_bytes)
