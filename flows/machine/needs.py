"""What a network needs of a machine, for whoever chooses one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

from flows.mapper import refusal, with_room
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph
from models.ops.convolution import Convolution

__all__ = ["Needs", "graph_needs"]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """A network, as the choice of its machine sees it.

    Attributes
    ----------
    name : what users call it
    refusal : says why a machine does not hold the network; None if it does
    enlarged : the machine with its memories as large as the network needs; a ValueError says why
        none are large enough
    formats : share of its weights in each number format that it names, by name; empty if it names
        none
    """

    name: str
    refusal: Callable[[MachineSpec], str | None]
    enlarged: Callable[[MachineSpec], MachineSpec]
    formats: Mapping[str, float] = field(default_factory=dict)


def graph_needs(name: str, graph: IntegerGraph) -> Needs:
    """The needs of an imported network; each machine is tried once."""
    return Needs(
        name=name,
        refusal=cache(partial(refusal, graph)),
        enlarged=partial(with_room, graph),
        formats=_formats(graph),
    )


def _formats(graph: IntegerGraph) -> dict[str, float]:
    found: Counter[str] = Counter()
    named = False
    for node in graph.nodes:
        if isinstance(node.operator, Convolution):
            named = named or bool(node.operator.formats)
            weights = node.operator.weights
            for one, rows in Counter(node.operator.row_formats).items():
                found[one] += rows * (weights.size // len(weights))
    return {one: count / found.total() for one, count in found.items()} if named else {}
