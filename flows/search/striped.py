"""Machines of a search that do not hold a network at once: in strips, and with K in parts.

Their cycles are those of a program, which takes seconds a machine. So machines are looked at by
their layers, as if all tensors were on chip and K whole, which no machine is slower than; what a
few of them then take says how far the others are off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flows.boards.board import Board
from flows.errors import UserError
from flows.estimate.cycles.found_network import Network
from flows.estimate.cycles.mapped_program import MappedProgram
from flows.estimate.cycles.network_formats import in_formats
from flows.estimate.cycles.program_cycles import program_cycles
from flows.estimate.machine_points import Points
from flows.mapper import MappingError
from models.machine.spec import MachineSpec

__all__ = ["Striped", "striped_cycles"]

Reals = NDArray[np.float64]
Shares = Callable[[Points, Board], tuple[Reals, NDArray[np.int64]]]

ENTRIES, PART_SUMS = 512, 4096
"""Entries of a weight row, and positions of sums in parts: both fill whole blocks of RAM."""
PARAM_ENTRIES = 512
BANK_WORDS = (512, 1024, 2048, 4096, 8192, 16384)
MOST_TRIED = 8
"""Machines of a precision that are mapped before it is given up."""
CLOSER = 1.02
"""By how much more a machine must promise than one that fell short as little as possible."""


def striped_cycles(
    network: Network, spec: MachineSpec, bytes_per_cycle: float | None = None
) -> int | None:
    """Cycles of a network's shapes in the machine's formats; None if they do not map."""
    try:
        program = MappedProgram.planned(in_formats(network.graph, spec), spec)
    except (MappingError, UserError):
        return None
    return int(program_cycles(program, bytes_per_cycle).total[0])


@dataclass(frozen=True, kw_only=True)
class Striped:
    """Machines of a precision, with memories as large as the board has room for.

    Attributes
    ----------
    points : whatever their memories
    fps, ratio : rate if everything were on chip; share of the second format
    """

    network: Network
    board: Board
    clock_mhz: float
    bytes_per_cycle: float | None
    fill: float
    points: Points
    fps: Reals
    ratio: Reals
    shares: Shares

    @cached_property
    def fitted(self) -> tuple[Points, Reals, NDArray[np.int64]]:
        """Machines with their memories, ``[n]`` fullest shares (above 1: none fits) and LUTs."""
        one = np.ones(len(self.points), dtype=np.int64)
        start = replace(
            self.points,
            depth=ENTRIES * self.points.lanes,
            part_sums=PART_SUMS * one,
            param_entries=np.maximum(self.points.param_entries, PARAM_ENTRIES),
        )
        words = np.zeros(len(start), dtype=np.int64)
        fullest: Reals = np.full(len(start), 2.0)
        luts: NDArray[np.int64] = 0 * one
        for size in BANK_WORDS:
            found, lut = self.shares(replace(start, bank_words=size * one), self.board)
            most = found.max(axis=0, initial=0)
            fits = most <= self.fill
            words = np.where(fits, size, words)
            fullest, luts = np.where(fits, most, fullest), np.where(fits, lut, luts)
        return replace(start, bank_words=np.maximum(words, BANK_WORDS[0])), fullest, luts

    def meeting(
        self, rate: float, spec_of: Callable[[Points, int], MachineSpec]
    ) -> Iterator[tuple[MachineSpec, int, int, float]]:
        """Machines that meet a rate: spec, cycles, place among ``points``, fullest share.

        The fastest one is tried first: if it does not meet the rate, none does. Then those of least
        ratio and logic that promise the rate by as much as the others fell short.
        """
        points, fullest, luts = self.fitted
        fits = fullest <= self.fill
        if not (fits & (self.fps >= rate)).any():
            return

        def tried(at: int) -> tuple[MachineSpec, int | None]:
            spec = spec_of(points, at)
            return spec, striped_cycles(self.network, spec, self.bytes_per_cycle)

        best = int(np.flatnonzero(fits)[np.argmax(self.fps[fits])])
        spec, cycles = tried(best)
        if cycles is None or self._rate(cycles) < rate:
            return
        last = spec, cycles, best, float(fullest[best])
        promise = rate
        order = np.lexsort((luts, self.ratio))
        for _ in range(MOST_TRIED):
            meets = order[(fits & (self.fps >= promise))[order]]
            if not len(meets):
                break
            at = int(meets[0])
            spec, cycles = tried(at)
            if cycles is not None and self._rate(cycles) >= rate:
                yield spec, cycles, at, float(fullest[at])
                return
            short = CLOSER if cycles is None else rate / self._rate(cycles)
            promise = max(float(self.fps[at]), promise) * max(short, CLOSER)
        yield last

    def _rate(self, cycles: int) -> float:
        return self.clock_mhz * 1e6 / cycles
