"""The best precision that reaches a frame rate on a board, over all machines of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from flows.boards.board import DEVICE, Board
from flows.estimate.cycles import estimate_cycles
from flows.estimate.network import Network
from flows.estimate.points import Points
from flows.estimate.resources import resource_columns
from flows.search.candidates import candidates, complete, spec_of, with_act_bits
from flows.search.precisions import PRECISIONS, Mixture, Precision
from models.machine_spec import MachineSpec

__all__ = ["Found", "Goal", "SearchResult", "Tried", "search"]

Progress = Callable[[Precision, int, int], None]
"""Told the precision at work, how many were done before, and of how many."""
Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is asked for.

    Attributes
    ----------
    fps : images a second
    clock_mhz : assumed
    fill : share of each resource of the device that a machine may take
    bandwidth_mb_s : of memory, if that is less than the bus takes
    """

    network: Network
    board: Board
    fps: float
    clock_mhz: float
    fill: float = 0.9
    bandwidth_mb_s: float | None = None

    @property
    def bytes_per_cycle(self) -> float | None:
        """What memory yields."""
        return None if self.bandwidth_mb_s is None else self.bandwidth_mb_s / self.clock_mhz


@dataclass(frozen=True, kw_only=True)
class Found:
    """A machine, estimated.

    Attributes
    ----------
    ratio : share of rows of the mixture's second format
    fullest : largest share of a resource of the device
    """

    precision: Precision
    spec: MachineSpec
    ratio: float
    cycles: int
    fps: float
    fullest: float


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A precision that was looked at.

    Attributes
    ----------
    machines, holding, fitting : all; that can hold the network; that the board has room for
    fps : of the fastest that fits; 0 where none does
    """

    precision: Precision
    machines: int
    holding: int
    fitting: int
    fps: float


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """How a search ended.

    Attributes
    ----------
    machines : of the best precision that meets the rate, preferred ones first; may be empty
    tried : every precision up to that one, best first
    fastest : of all tried machines that fit the board, by rate
    without : rate of the fastest machine if one resource were unlimited, by its name
    unlimited : the same if all were
    """

    machines: tuple[Found, ...]
    tried: tuple[Tried, ...]
    fastest: Found | None
    without: dict[str, float]
    unlimited: float


@dataclass(frozen=True, kw_only=True)
class _Mixed:
    """Machines of a mixture that hold the network, of ``machines`` searched.

    Their cycles do not depend on the bits of activations.
    """

    machines: int
    points: Points
    cycles: NDArray[np.int64]
    fps: Reals
    ratio: Reals


def search(
    goal: Goal,
    *,
    top: int = 1,
    precisions: Sequence[Precision] = PRECISIONS,
    progress: Progress | None = None,
) -> SearchResult:
    """Go through precisions, best first, until a machine meets the rate.

    Of its machines those with the least share of the mixture's second format come first, then those
    whose fullest resource takes the least share of the device, then those with fewest LUTs.

    Parameters
    ----------
    top : how many machines of the best precision are wanted
    """
    mixed = cache(lambda mixture: _evaluate(goal, mixture))
    tried: list[Tried] = []
    fastest: Found | None = None
    without = dict.fromkeys(DEVICE, 0.0)
    unlimited = 0.0
    machines: tuple[Found, ...] = ()
    for done, precision in enumerate(precisions):
        if progress:
            progress(precision, done, len(precisions))
        every = mixed(precision.mixture)
        points = with_act_bits(every.points, precision.act_bits)
        shares, lut = _shares(points, goal.board)
        room = shares <= goal.fill
        fits = room.all(axis=0)
        best = float(every.fps.max(where=fits, initial=0))
        tried.append(Tried(
            precision=precision, machines=every.machines, holding=len(points),
            fitting=int(fits.sum()), fps=best,
        ))  # fmt: skip
        for index, name in enumerate(DEVICE):
            others = np.delete(room, index, axis=0).all(axis=0)
            without[name] = max(without[name], float(every.fps.max(where=others, initial=0)))
        unlimited = max(unlimited, float(every.fps.max(initial=0)))
        fullest = shares.max(axis=0, initial=0)

        def found(
            at: int, of: Precision = precision, every: _Mixed = every, points: Points = points,
            fullest: Reals = fullest,
        ) -> Found:  # fmt: skip
            return Found(
                precision=of, spec=spec_of(points, at, of.mixture), ratio=float(every.ratio[at]),
                cycles=int(every.cycles[at]), fps=float(every.fps[at]),
                fullest=float(fullest[at]),
            )  # fmt: skip

        if fits.any() and (fastest is None or best > fastest.fps):
            alike = np.flatnonzero(fits & (every.fps == best))
            fastest = found(alike[np.argmin(fullest[alike])])
        meets = np.flatnonzero(fits & (every.fps >= goal.fps))
        if len(meets):
            order = np.lexsort((lut[meets], fullest[meets], every.ratio[meets]))
            machines = tuple(found(int(at)) for at in meets[order[:top]])
            break
    return SearchResult(
        machines=machines, tried=tuple(tried), fastest=fastest, without=without,
        unlimited=unlimited,
    )  # fmt: skip


def _evaluate(goal: Goal, mixture: Mixture) -> _Mixed:
    layers = goal.network.layers
    points = candidates(mixture, goal.board.family, goal.board.data_width)
    estimate = estimate_cycles(points, layers, goal.bytes_per_cycle, whole=True)
    points, holds = complete(points, layers, estimate)
    machines = len(points)
    points, cycles = points[holds], estimate.total[holds]
    second = points.rows_of(mixture.second) if mixture.second else 0 * points.rows
    return _Mixed(
        machines=machines,
        points=points,
        cycles=cycles,
        fps=goal.clock_mhz * 1e6 / cycles,
        ratio=second / points.rows,
    )


def _shares(points: Points, board: Board) -> tuple[Reals, NDArray[np.int64]]:
    """Shares of the device ``[resources, n]``, and LUTs."""
    cost = resource_columns(points)
    shares = [getattr(cost, name) / getattr(board.resources, of) for name, of in DEVICE.items()]
    return np.stack(shares), cost.lut
