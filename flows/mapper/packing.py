"""Plans the places of all tensors at once, for networks that nearly fill the scratchpad."""

from __future__ import annotations

from dataclasses import dataclass

from flows.mapper.place import Allocator, MappingError
from models.machine.spec import MachineSpec

__all__ = ["Life", "Planned", "Recorder", "arranged", "packed", "placeable"]


@dataclass
class Life:
    """Lifetime of a tensor: its words, and the first and last step in which they are in use."""

    name: str
    words: int
    start: int
    stop: int = 0


class Recorder(Allocator):
    """An allocator that records lifetimes; all tensors are at address 0, so it never runs out."""

    def __init__(self, spec: MachineSpec) -> None:
        super().__init__(spec, spread=False)
        self.lives: dict[str, Life] = {}
        self.step = 0

    def take(self, name: str, words: int) -> int:
        """Record the begin of a tensor's lifetime."""
        self.step += 1
        self.lives[name] = Life(name, words, self.step)
        self.used[name] = (0, words)
        return 0

    def free(self, name: str) -> None:
        """Record the end of a tensor's lifetime."""
        super().free(name)
        self.step += 1
        self.lives[name].stop = self.step

    def found(self) -> list[Life]:
        """Return the lifetimes of all tensors; those never freed live to the end."""
        for life in self.lives.values():
            life.stop = life.stop or self.step + 1
        return list(self.lives.values())


class Planned(Allocator):
    """An allocator that returns the addresses of a plan."""

    def __init__(self, spec: MachineSpec, plan: dict[str, int]) -> None:
        super().__init__(spec, spread=False)
        self.plan = plan

    def take(self, name: str, words: int) -> int:
        """Return the planned base address."""
        base = self.plan[name]
        self.used[name] = (base, base + words)
        self.peak = max(self.peak, sum(b - a for a, b in self.used.values()))
        return base


def packed(lives: list[Life], total: int) -> dict[str, int] | None:
    """Return a base address for every tensor, so that no two live tensors overlap.

    Places large tensors first, each at the lowest address that is free for its whole lifetime.
    None if they do not fit ``total`` words this way.
    """
    plan: dict[str, int] = {}
    placed: list[Life] = []
    for life in sorted(lives, key=lambda x: (-x.words, x.start)):
        at = 0
        beside = [x for x in placed if x.start < life.stop and life.start < x.stop]
        for other in sorted(beside, key=lambda x: plan[x.name]):
            if plan[other.name] - at >= life.words:
                break
            at = max(at, plan[other.name] + other.words)
        if at + life.words > total:
            return None
        plan[life.name] = at
        placed.append(life)
    return plan


def arranged(lives: list[Life], spec: MachineSpec) -> Allocator | None:
    """Return an allocator that finds places for tensors with these lifetimes; None if none does."""
    events = sorted([*((x.start, 1, x) for x in lives), *((x.stop, 0, x) for x in lives)],
                    key=lambda event: event[:2])  # fmt: skip
    for spread in (True, False):
        allocator = Allocator(spec, spread=spread)
        try:
            for _, begins, life in events:
                if begins:
                    allocator.take(life.name, life.words)
                else:
                    allocator.free(life.name)
        except MappingError:
            continue
        return Allocator(spec, spread=spread)
    plan = packed(lives, spec.scratchpad_words)
    return None if plan is None else Planned(spec, plan)


def placeable(lives: list[Life], spec: MachineSpec) -> bool:
    """Flag: the mapper finds places for tensors with these lifetimes."""
    return arranged(lives, spec) is not None
