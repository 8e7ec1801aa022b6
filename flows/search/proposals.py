"""Machines that map, in order of preference, with the memories that the mapper needs."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycles.found_network import Network
from flows.estimate.cycles.network_formats import in_formats
from flows.estimate.machine_points import Points
from flows.mapper import MappingError, least_bank_words, refusal, with_room
from models.formats.row_classes import RowClass
from models.machine.rules import DEPTH_MAX, SCRATCHPAD_WORDS_MAX
from models.machine.spec import MachineSpec

__all__ = ["Key", "Proposals", "no_machine"]

Key = tuple[float, ...]
Costed = Callable[[MachineSpec], Key | None]
"""Gives the sort key of a machine, smaller is better; None if it does not fit the board."""

MOST_REFUSED = 30
"""Successive refusals after which a precision is given up."""
MOST_BANK_WORDS, MOST_PARAMS = SCRATCHPAD_WORDS_MAX // MachineSpec.banks, 1 << 13
STRIP_SUMS = 4096
LANES, TOKENS = (4, 8, 12, 16, 24, 32), 16


def no_machine(network: Network) -> str | None:
    """The mapper's reason why no machine at all maps a network; None if one does."""
    reasons = []
    for lanes in LANES:
        spec = replace(_roomy(lanes, TOKENS), bank_words=MOST_BANK_WORDS)
        try:
            with_room(in_formats(network.graph, spec), spec)
        except MappingError as error:
            reasons.append(str(error))
        else:
            return None
    # In strips and in parts, which need no room for all at once.
    held = MachineSpec(bank_words=MOST_BANK_WORDS, part_sums=STRIP_SUMS)
    return reasons[0] if refusal(in_formats(network.graph, held), held) else None


def _roomy(lanes: int, tokens: int) -> MachineSpec:
    """A machine of plain rows with the largest memories, except for the scratchpad."""
    return MachineSpec(
        lanes=lanes, tokens=tokens, rows=2, vector_lanes=2, depth=DEPTH_MAX // lanes * lanes,
        bank_words=2, param_entries=MOST_PARAMS,
    )  # fmt: skip


class Proposals:
    """Proposals of machines for one network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._bank_words = lru_cache(maxsize=None)(self._least_bank_words)

    def bank_words(self, points: Points, where: NDArray[np.bool_]) -> NDArray[np.int64]:
        """``[n]`` bank words that the tensors need, for machines selected by ``where``.

        Other machines keep theirs. Places of tensors depend only on a machine's words and on
        whether it narrows the input, so one machine of each kind is mapped. 0 means that no
        scratchpad holds the tensors.
        """
        found = points.bank_words.copy()
        narrow = points.act_bits < 8
        shapes = np.stack(
            [points.lanes, points.tokens, points.banks, points.bank_words, narrow], axis=1
        )
        for shape in np.unique(shapes[where], axis=0):
            mine = (shapes == shape).all(axis=1)
            found[mine] = self._bank_words(*map(int, shape))
        return found

    def _least_bank_words(
        self, lanes: int, tokens: int, banks: int, start: int, narrow: int
    ) -> int:
        spec = replace(_roomy(lanes, tokens), banks=banks, bank_words=start)
        held = replace(spec, rows=8, classes=(RowClass("fixed8", 8),), act_bits=8 - narrow)
        try:
            return least_bank_words(in_formats(self.network.graph, held), spec) or 0
        except MappingError:
            return 0

    def mapped(
        self, ordered: Iterable[tuple[Key, MachineSpec]], costed: Costed
    ) -> Iterator[MachineSpec]:
        """Machines that map, preferred ones first.

        A machine that needs larger memories is sorted in again by its new key.
        """
        left = iter(ordered)
        waiting: list[tuple[Key, int, MachineSpec]] = []
        after = next(left, None)
        refused = 0
        while (after or waiting) and refused < MOST_REFUSED:
            if waiting and (after is None or waiting[0][0] <= after[0]):
                refused = 0
                yield heapq.heappop(waiting)[2]
                continue
            assert after is not None
            spec = after[1]
            after = next(left, None)
            refused += 1
            try:
                larger = self.network.with_room(spec)
            except MappingError:
                continue
            if larger == spec:
                refused = 0
                yield spec
            elif (key := costed(larger)) is not None:
                heapq.heappush(waiting, (key, len(waiting), larger))
