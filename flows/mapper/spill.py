"""Chooses the tensors that live in memory, where a scratchpad does not hold all of them.

Greedy: while a node needs more words than there are, the tensor leaves that frees most of them for
each time it is moved, over all nodes that lack words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from flows.mapper.place import MappingError
from flows.mapper.tensors import with_views
from models.machine.spec import MachineSpec
from models.network.flattened import flattened
from models.network.graph import Constant, IntegerGraph
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution

__all__ = ["Spilling", "choices"]

BOUNDLESS = 1 << 40
SHARES = (1.0, 0.8, 0.6, 0.4, 0.2)
"""Shares of the free words that buffers may take: words that are free need not be in one piece."""


@dataclass(frozen=True)
class Spilling:
    """Tensors in memory, and the words for buffers of the nodes that read or write them.

    Without ``rooms`` it only records what a mapping has live: strips are as large as the tensors.

    Attributes
    ----------
    rooms : dict of a node's result to words, optional
    live : dict of a node's result to its live tensors
    used, least : dict of a node's result to words in use, and to the least words for its buffers
    """

    far: frozenset[str] = frozenset()
    rooms: Mapping[str, int] | None = None
    live: dict[str, tuple[str, ...]] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    least: dict[str, int] = field(default_factory=dict)

    def room(self, node: str, least: int) -> int:
        """Return the words for buffers of a node that needs at least so many."""
        self.least[node] = least
        return BOUNDLESS if self.rooms is None else max(0, self.rooms[node])

    def note(self, node: str, live: Mapping[str, tuple[int, int]]) -> None:
        """Record what lies in the scratchpad during a node, its buffers apart."""
        if node not in self.live:
            self.live[node] = tuple(live)
            self.used[node] = sum(stop - start for start, stop in live.values())


def choices(
    graph: IntegerGraph, spec: MachineSpec, measure: Callable[[Spilling], None]
) -> Iterator[Spilling]:
    """Yield spillings to be tried, fewest tensors in memory and largest strips first.

    Parameters
    ----------
    measure : maps the network with a spilling, silently, so that it records what is live
    """
    total = spec.scratchpad_words
    fixed = _fixed(graph)
    uses: dict[str, int] = {}
    for node in graph.nodes:
        for tensor in dict.fromkeys(node.inputs):
            uses[tensor] = uses.get(tensor, 0) + 1
    if not _possible(graph, total, fixed, measure):
        return
    far: set[str] = set()
    while True:
        seen = Spilling(frozenset(far))
        measure(seen)
        needs = {name: seen.used[name] + seen.least.get(name, 0) for name in seen.used}
        if max(needs.values()) <= total:
            for share in SHARES if far else ():
                rooms = {
                    name: max(seen.least.get(name, 0), int(share * (total - used)))
                    for name, used in seen.used.items()
                }
                yield Spilling(frozenset(far), rooms)
        worst = max(needs, key=needs.__getitem__)
        lacking = [n for n in needs if needs[n] > total] or [worst]
        gains: dict[str, float] = {}
        for name in lacking:
            for tensor in seen.live[name]:
                if tensor in fixed:
                    continue
                moves = uses.get(tensor, 0) + (tensor not in (graph.input, graph.output))
                gains[tensor] = gains.get(tensor, 0) + _words(graph, tensor) / max(1, moves)
        candidates = [t for t in seen.live[worst] if t in gains]
        if not candidates:
            return
        far.add(max(candidates, key=gains.__getitem__))


def _possible(
    graph: IntegerGraph,
    total: int,
    fixed: frozenset[str],
    measure: Callable[[Spilling], None],
) -> bool:
    """Flag: the words may suffice with every tensor in memory that may be there.

    A refusal then says nothing of a choice with fewer tensors in memory.
    """
    made = {graph.input, *(node.output for node in graph.nodes)}
    seen = Spilling(frozenset(made - fixed))
    try:
        measure(seen)
    except MappingError:
        return True
    return max(seen.used[name] + seen.least.get(name, 0) for name in seen.used) <= total


def _words(graph: IntegerGraph, tensor: str) -> int:
    kind = graph.tensors[tensor]
    size = kind.bits
    for length in kind.shape:
        size *= length
    return size


def _fixed(graph: IntegerGraph) -> frozenset[str]:
    """Tensors that must lie in the scratchpad.

    Constants; queries, keys, values and context; what a linear layer reads as a whole map, and
    makes of it.
    """
    names = {node.output for node in graph.nodes if isinstance(node.operator, Constant)}
    for node in graph.nodes:
        # Scores and probabilities go head by head.
        if isinstance(node.operator, AttentionScores):
            names |= set(node.inputs)
        if isinstance(node.operator, AttentionContext):
            names |= {node.inputs[1], node.output}
    flat = flattened(graph)
    for node in flat.nodes:
        op = node.operator
        if isinstance(op, Convolution) and op.weights.shape[1:3] != (1, 1):
            if len(flat.tensors[node.output].shape) == 2:
                names |= {node.inputs[0], node.output}
    # A tensor with a view that must lie there must as well.
    return frozenset(
        name for name in graph.tensors if not names.isdisjoint(with_views(graph, [name]))
    )
