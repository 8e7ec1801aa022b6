"""Search for the best precision that reaches a frame rate, over all machines of the model."""

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
from flows.search.candidates import candidates, complete, spec_of, with_act_bits, with_entries
from flows.search.precisions import PRECISIONS, Mixture, Precision, label
from flows.search.proposals import Key, Proposals, no_machine
from flows.search.striped import Striped
from models.machine.spec import MachineSpec

__all__ = ["Found", "Goal", "SearchResult", "Tried", "search"]

Progress = Callable[[Precision, int, int], None]
"""Called with the precision, the number of precisions before it, and their total."""
Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Goal of a search.

    Attributes
    ----------
    fps : images a second
    clock_mhz : assumed
    fill : share of each resource of the device that a machine may take
    bandwidth_mb_s : memory bandwidth, if it is less than the bus takes
    """

    network: Network
    board: Board
    fps: float
    clock_mhz: float
    fill: float = 0.9
    bandwidth_mb_s: float | None = None

    @property
    def bytes_per_cycle(self) -> float | None:
        """Memory bandwidth in bytes a cycle; None for the bus' own."""
        return None if self.bandwidth_mb_s is None else self.bandwidth_mb_s / self.clock_mhz


@dataclass(frozen=True, kw_only=True)
class Found:
    """A machine with its estimates.

    Attributes
    ----------
    ratio : share of rows of the mixture's second format
    fullest : largest share of a resource of the device
    striped : whether some layers are made in strips or in parts
    """

    precision: Precision
    spec: MachineSpec
    ratio: float
    cycles: int
    fps: float
    fullest: float
    striped: bool = False

    @property
    def name(self) -> str:
        """Name of the formats that the rows really have: a mixture may have only its second one."""
        return label([kind.format for kind in self.spec.classes], self.spec.act_bits)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A precision that was searched.

    Attributes
    ----------
    machines, holding, fitting : numbers of all machines, of those that can hold the network, and
        of those that fit the board
    fps : rate of the fastest machine that fits, before mapping; 0 if none fits
    """

    precision: Precision
    machines: int
    holding: int
    fitting: int
    fps: float


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """Result of a search.

    Attributes
    ----------
    machines : machines of the best precision that meets the rate, preferred ones first, or none
    tried : every precision up to that one, best first
    fastest : the fastest machine of all precisions that fits the board and maps
    without : rate of the fastest machine if one resource were unlimited, by its name
    unlimited : rate of the fastest machine if all resources were unlimited
    """

    machines: tuple[Found, ...]
    tried: tuple[Tried, ...]
    fastest: Found | None
    without: dict[str, float]
    unlimited: float


@dataclass(frozen=True, kw_only=True)
class _Mixed:
    """Machines of a mixture, of ``machines`` searched; whether they can hold the network.

    Their cycles do not depend on the bits of activations.
    """

    machines: int
    points: Points
    cycles: NDArray[np.int64]
    fps: Reals
    ratio: Reals
    holds: NDArray[np.bool_]

    def some(self, which: NDArray[np.bool_]) -> _Mixed:
        """A selection of these machines."""
        return replace(
            self, points=self.points[which], cycles=self.cycles[which], fps=self.fps[which],
            ratio=self.ratio[which], holds=self.holds[which],
        )  # fmt: skip


def search(
    goal: Goal,
    *,
    top: int = 1,
    precisions: Sequence[Precision] = PRECISIONS,
    progress: Progress | None = None,
) -> SearchResult:
    """Go through precisions, best first, until a machine that maps meets the rate.

    Where no machine that holds the network at once fits the device, they make it in strips and
    in parts.
    Machines are ordered by the share of the mixture's second format, then by the share of their
    fullest resource, then by LUTs; smaller is better.

    Parameters
    ----------
    top : number of machines of the best precision to return

    Raises
    ------
    UserError
        If no machine at all maps the network.
    """
    network = goal.network
    if refusal := no_machine(network):
        raise UserError(f"no machine maps {network.name}: {refusal}")
    proposals = Proposals(network)
    looked: list[_Looked] = []
    whole = cache(lambda mixture: _evaluate(goal, mixture))
    mixed = cache(lambda mixture: whole(mixture).some(whole(mixture).holds))
    tried: list[Tried] = []
    without = dict.fromkeys(DEVICE, 0.0)
    unlimited = 0.0
    machines: tuple[Found, ...] = ()
    for done, precision in enumerate(precisions):
        if progress:
            progress(precision, done, len(precisions))
        every = mixed(precision.mixture)
        points = with_act_bits(every.points, precision.act_bits)
        # Machines that do not fit the board with the smallest memories need no larger ones.
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
        if not fits.any():
            machines = tuple(islice(_in_strips(goal, precision, whole(precision.mixture)), top))
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
        """Rate of the fastest machine that fits, before mapping."""
        return float(self.every.fps.max(where=self.fits, initial=0))

    def meeting(self, proposals: Proposals) -> Iterator[Found]:
        """Machines that meet the rate and map, preferred ones first."""
        meets = np.flatnonzero(self.fits & (self.every.fps >= self.goal.fps))
        keys = (self.lut[meets], self.fullest[meets], self.every.ratio[meets])
        places = meets[np.lexsort(keys)]
        return self._mapped(proposals, places, lambda one, lut: (one.ratio, one.fullest, lut))

    def fastest(self, proposals: Proposals) -> Iterator[Found]:
        """Machines that map, fastest first; at one rate the one with the emptiest device first."""
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
    """Key of a machine without its memories: these are set to the smallest ones."""
    return replace(spec, depth=2 * spec.lanes, bank_words=2, param_entries=2)


def _fastest(looked: Sequence[_Looked], proposals: Proposals) -> Found | None:
    """The fastest machine that maps, of several precisions; at one rate the better precision."""
    found: Found | None = None
    for one in sorted(looked, key=lambda one: -one.best):
        if found is not None and one.best <= found.fps:
            break
        other = next(one.fastest(proposals), None)
        if other is not None and (found is None or other.fps > found.fps):
            found = other
    return found


def _evaluate(goal: Goal, mixture: Mixture) -> _Mixed:
    """All machines with rows for the network's activations, whether they hold it or not."""
    layers = goal.network.layers
    points = candidates(mixture, goal.board.family, goal.board.data_width)
    points = with_entries(points, layers)
    estimate = estimate_cycles(points, layers, goal.bytes_per_cycle, whole=True)
    points, holds = complete(points, layers, estimate)
    rows = "rows for activations"
    second = points.rows_of(mixture.second) if mixture.second else 0 * points.rows
    return _Mixed(
        machines=len(points),
        points=points,
        cycles=estimate.total,
        fps=goal.clock_mhz * 1e6 / estimate.total,
        ratio=second / points.rows,
        holds=holds,
    ).some(np.asarray(estimate.needs[rows] <= estimate.has[rows]))


def _in_strips(goal: Goal, precision: Precision, every: _Mixed) -> Iterator[Found]:
    """Machines whose tensors are not all on chip at once, or K of some layers is in parts."""
    striped = Striped(
        network=goal.network, board=goal.board, clock_mhz=goal.clock_mhz,
        bytes_per_cycle=goal.bytes_per_cycle, fill=goal.fill,
        points=with_act_bits(every.points, precision.act_bits), fps=every.fps, ratio=every.ratio,
        shares=_shares,
    )  # fmt: skip
    found = striped.meeting(goal.fps, lambda points, at: spec_of(points, at, precision.mixture))
    for spec, cycles, at, fullest in found:
        yield Found(
            precision=precision, spec=spec, ratio=float(every.ratio[at]), cycles=cycles,
            fps=goal.clock_mhz * 1e6 / cycles, fullest=fullest, striped=True,
        )  # fmt: skip


def _shares(points: Points, board: Board) -> tuple[Reals, NDArray[np.int64]]:
    """Shares of the device ``[resources, n]``, and LUTs."""
    cost = resource_columns(points)
    shares = [getattr(cost, name) / getattr(board.resources, of) for name, of in DEVICE.items()]
    return np.stack(shares), cost.lut
