"""How a memory behaves in time: latency, bursts under way, and beats a cycle."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["MOST_BURSTS", "NEAR", "RATE_UNIT", "MemoryTiming"]

RATE_UNIT = 256
"""Cycles in which ``rate`` beats pass."""
MOST_BURSTS = 32
"""Bursts that the simulated memory can keep in each direction."""


@dataclass(frozen=True, kw_only=True)
class MemoryTiming:
    """A memory behind an AXI4 port, as simulator and estimate know it.

    Attributes
    ----------
    name
        what figures are told to be of.
    read_latency
        cycles from a read address to the first beat, at least 1.
    write_latency
        cycles from the last beat of a write burst to its response, at least 1.
    reads, writes
        bursts that the port takes before the first one has ended, 1 to 32.
    rate
        beats in 256 cycles, of reads and writes together: behind the port both share the data bus
        of the memory. 512 is no limit, as the port passes at most a beat a cycle in each direction.

    Raises
    ------
    ValueError
        if a number is out of range.
    """

    name: str
    read_latency: int
    write_latency: int
    reads: int = 8
    writes: int = 8
    rate: int = 2 * RATE_UNIT

    def __post_init__(self) -> None:
        limits = {
            "read_latency": (1, 4000),
            "write_latency": (1, 4000),
            "reads": (1, MOST_BURSTS),
            "writes": (1, MOST_BURSTS),
            "rate": (1, 2 * RATE_UNIT),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} of a memory must be {low} to {high}, not {value}")

    @property
    def beats_per_cycle(self) -> float:
        """Of reads alone, or of writes alone: at most 1."""
        return min(1.0, self.rate / RATE_UNIT)

    def facts(self) -> dict[str, str | int]:
        """The same as JSON can hold it."""
        return asdict(self)

    def text(self) -> str:
        """One line for people."""
        return (
            f"{self.name}: {self.read_latency} cycles to a read's first beat, "
            f"{self.rate / RATE_UNIT:.2f} beats a cycle of reads and writes together"
        )


NEAR = MemoryTiming(name="near", read_latency=30, write_latency=10)
"""A memory on the chip or nearly so: a beat every cycle in each direction."""
