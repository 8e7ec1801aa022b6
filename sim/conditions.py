"""What a memory does to its master: time, stalls, early reads and error responses."""

from dataclasses import dataclass, fields
from enum import IntEnum

from models.machine.memory import NEAR, MemoryTiming

__all__ = ["IDEAL", "RESTLESS", "Conditions", "Response"]


class Response(IntEnum):
    """Response of an AXI transfer."""

    OKAY = 0
    SLVERR = 2
    DECERR = 3


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How the simulated memory behaves during a run.

    Attributes
    ----------
    memory
        its latency, bursts under way, and beats a cycle.
    stall_ar, stall_r, stall_aw, stall_w, stall_b
        probability of a stall of that channel in a cycle, in 1/256, 0 to 255.
    early
        probability, in 1/256, that a burst reads all its data when it is requested; else each beat
        is read when it is offered. Both are legal, and the difference shows hazards.
    seed
        of the random numbers.
    fault_first, fault_last
        byte addresses, both inclusive, between which accesses get an error response.
    fault_read, fault_write
        that response, for reads and for writes.

    Raises
    ------
    ValueError
        if a probability is out of range.
    """

    memory: MemoryTiming = NEAR
    stall_ar: int = 0
    stall_r: int = 0
    stall_aw: int = 0
    stall_w: int = 0
    stall_b: int = 0
    early: int = 0
    seed: int = 1
    fault_first: int = 0
    fault_last: int = 0xFFFF_FFFF
    fault_read: Response = Response.OKAY
    fault_write: Response = Response.OKAY

    def __post_init__(self) -> None:
        for name in ("stall_ar", "stall_r", "stall_aw", "stall_w", "stall_b", "early"):
            value = getattr(self, name)
            if not 0 <= value <= 255:
                raise ValueError(f"{name} must be 0 to 255 (in 1/256 a cycle), not {value}")

    @property
    def controls(self) -> dict[str, int]:
        """Values of the simulated memory's inputs, by name."""
        memory = self.memory
        found = {one.name: int(getattr(self, one.name)) for one in fields(self)[1:]}
        return found | {
            "read_latency": memory.read_latency,
            "write_latency": memory.write_latency,
            "max_reads": memory.reads,
            "max_writes": memory.writes,
            "rate": memory.rate,
        }


IDEAL = Conditions()
RESTLESS = Conditions(stall_ar=128, stall_r=90, stall_aw=128, stall_w=90, stall_b=128, early=128)
