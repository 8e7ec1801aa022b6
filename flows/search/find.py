"""The best precision that reaches a frame rate on a board, over all machines of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from flows.boards.board import DEVICE, Board
from flows.errors import UserError
from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.found_network import Network
from flows.estimate.machine_points import Points
from flows.estimate.resources.resources import resource_columns
from flows.search.candidates import candidates, complete, spec_of, with_act_bits, with_params
from flows.search.precisions import PRECISIONS, Mixture, Precision, label
from flows.search.proposals import Key, Proposals, no_machine
from models.machine.spec import MachineSpec

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

    @property
    def name(self) -> str:
        """What the rows it has are called: a mixture may be of its second format alone."""
        return label([kind.format for kind in self.spec.classes], self.spec.act_bits)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A precision that was looked at.

    Attributes
    ----------
    machines, holding, fitting : all; that can hold the network; that the board has room for
    fps : of the fastest that fits, before it is mapped; 0 where none does
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
    fastest : of all tried machines that fit the board and map, by rate
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

    def some(self, which: NDArray[np.bool_]) -> _Mixed:
        """Of these machines some."""
        return replace(
            self, points=self.points[which], cycles=self.cycles[which], fps=self.fps[which],
            ratio=self.ratio[which],
        )  # fmt: skip


def search(
    goal: Goal,
    *,
    top: int = 1,
    precisions: Sequence[Precision] = PRECISIONS,
    progress: Progress | None = None,
) -> SearchResult:
    """Go through precisions, best first, until a machine that maps meets the rate.

    Of its machines those with the least share of the mixture's second format come first, then those
    whose fullest resource takes the least share of the device, then those with fewest LUTs.

    Parameters
    ----------
    top : how many machines of the best precision are wanted

    Raises
    ------
    UserError
        If no machine whatever maps the network.
    """
    network = goal.network
    if refusal := no_machine(network):
        raise UserError(f"no machine maps {network.name}: {refusal}")
    proposals = Proposals(network)
    looked: list[_Looked] = []
    mixed = cache(lambda mixture: _evaluate(goal, mixture))
    tried: list[Tried] = []
    without = dict.fromkeys(DEVICE, 0.0)
    unlimited = 0.0
    machines: tuple[Found, ...] = ()
    for done, precision in enumerate(precisions):
        if progress:
            progress(precision, done, len(precisions))
        every = mixed(precision.mixture)
        points = with_act_bits(every.points, precision.act_bits)
        # What is too large for the board with the least memories may stay as it is.
        small = _shares(points, goal.board)[0].max(axis=0, initial=0) <= goal.fill
        bank_words = proposals.bank_words(points, small)
        every = every.some(bank_words > 0)
        points = replace(points, bank_words=bank_words)[bank_words > 0]
        shares, lut = _shares(points, goal.board)
        room = shares <= goal.fill
        fits: NDArray[np.bool_] = np.asarray(room.all(axis=0))
        best = float(every.fps.max(where=fits, initial=0))
        tried.append(Tried(
            precision=precision, machines=every.machines, holding=len(points),
            fitting=int(fits.sum()), fps=best,
        ))  # fmt: skip
        for index, name in enumerate(DEVICE):
            others = np.delete(room, index, axis=0).all(axis=0)
            without[name] = max(without[name], float(every.fps.max(where=others, initial=0)))
        unlimited = max(unlimited, float(every.fps.max(initial=0)))
        one = _Looked(
            goal=goal, precision=precision, every=every, points=points,
            fullest=shares.max(axis=0, initial=0), lut=lut, fits=fits,
        )  # fmt: skip
        looked.append(one)
        machines = tuple(islice(one.meeting(proposals), top))
        if machines:
            break
    return SearchResult(
        machines=machines, tried=tuple(tried), fastest=_fastest(looked, proposals),
        without=without, unlimited=unlimited,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Looked:
    """Machines of a precision that hold the network, with their shares of the device."""

    goal: Goal
    precision: Precision
    every: _Mixed
    points: Points
    fullest: Reals
    lut: NDArray[np.int64]
    fits: NDArray[np.bool_]

    @property
    def best(self) -> float:
        """Rate of the fastest that fits, if it maps."""
        return float(self.every.fps.max(where=self.fits, initial=0))

    def meeting(self, proposals: Proposals) -> Iterator[Found]:
        """Machines that meet the rate and map, preferred ones first."""
        meets = np.flatnonzero(self.fits & (self.every.fps >= self.goal.fps))
        keys = (self.lut[meets], self.fullest[meets], self.every.ratio[meets])
        places = meets[np.lexsort(keys)]
        return self._mapped(proposals, places, lambda one, lut: (one.ratio, one.fullest, lut))

    def fastest(self, proposals: Proposals) -> Iterator[Found]:
        """Machines that map, fastest first, of these the one that takes least of the device."""
        fitting = np.flatnonzero(self.fits)
        places = fitting[np.lexsort((self.fullest[fitting], -self.every.fps[fitting]))]
        return self._mapped(proposals, places, lambda one, lut: (-one.fps, one.fullest))

    def _mapped(
        self, proposals: Proposals, places: NDArray[np.int64], rank: Callable[[Found, int], Key]
    ) -> Iterator[Found]:
        known: dict[MachineSpec, Found] = {}

        def ordered() -> Iterator[tuple[Key, MachineSpec]]:
            for place in places:
                at = int(place)
                one = self._found(at)
                known[_shape(one.spec)] = one
                yield rank(one, int(self.lut[at])), one.spec

        def costed(spec: MachineSpec) -> Key | None:
            shares, lut = _shares(Points.of([spec], self.goal.board.family), self.goal.board)
            fullest = float(shares.max())
            if fullest > self.goal.fill:
                return None
            known[_shape(spec)] = replace(known[_shape(spec)], spec=spec, fullest=fullest)
            return rank(known[_shape(spec)], int(lut[0]))

        for spec in proposals.mapped(ordered(), costed):
            yield known[_shape(spec)]

    def _found(self, at: int) -> Found:
        return Found(
            precision=self.precision, spec=spec_of(self.points, at, self.precision.mixture),
            ratio=float(self.every.ratio[at]), cycles=int(self.every.cycles[at]),
            fps=float(self.every.fps[at]), fullest=float(self.fullest[at]),
        )  # fmt: skip


def _shape(spec: MachineSpec) -> MachineSpec:
    """A machine but for its memories."""
    return replace(spec, depth=2 * spec.lanes, bank_words=2, param_entries=2)


def _fastest(looked: Sequence[_Looked], proposals: Proposals) -> Found | None:
    """The fastest machine of several precisions that maps; the better precision if alike."""
    found: Found | None = None
    for one in sorted(looked, key=lambda one: -one.best):
        if found is not None and one.best <= found.fps:
            break
        other = next(one.fastest(proposals), None)
        if other is not None and (found is None or other.fps > found.fps):
            found = other
    return found


def _evaluate(goal: Goal, mixture: Mixture) -> _Mixed:
    layers = goal.network.layers
    points = candidates(mixture, goal.board.family, goal.board.data_width)
    points = with_params(points, layers)
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
