"""Random stalls, repeatable from a seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["NEVER", "Stalls"]

PHASE_PROBABILITIES = (0.0, 0.0, 0.1, 0.5, 0.9)
PHASE_CYCLES = (4, 40)


@dataclass(frozen=True, kw_only=True)
class Stalls:
    """When one side of a stream holds back.

    Attributes
    ----------
    seed
        two objects with equal attributes stall in the same cycles.
    probability
        of a stall in each cycle, 0 to below 1. None: changes between free flow and near standstill
        every few cycles, which moves the two sides of a stream out of phase.

    Raises
    ------
    ValueError
        if the probability is out of range.
    """

    seed: int = 1
    probability: float | None = None

    def __post_init__(self) -> None:
        if self.probability is not None and not 0 <= self.probability < 1:
            raise ValueError(f"probability must be at least 0 and below 1, not {self.probability}")

    def draws(self, name: str) -> Iterator[bool]:
        """Endless stream of decisions, one a cycle; ``name`` makes streams of a bench differ."""
        source = random.Random(f"{self.seed} {name}")
        while True:
            probability, cycles = self.probability, 1
            if probability is None:
                probability = source.choice(PHASE_PROBABILITIES)
                cycles = source.randint(*PHASE_CYCLES)
            for _ in range(cycles):
                yield source.random() < probability

    def coin(self, name: str) -> bool:
        """One decision for a whole run."""
        return random.Random(f"{self.seed} {name}").random() < 0.5


NEVER = Stalls(probability=0.0)
