"""Whether, and how, a network maps to a machine; and what a machine would need that it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from flows.mapper.macro_layer import MacroLayer
from flows.mapper.mapped import MappedNetwork
from flows.mapper.mapping import Mapper
from flows.mapper.packing import Life, Planned, Recorder, packed, placeable
from flows.mapper.place import Allocator, MappingError
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph

__all__ = ["check_mapping", "least_bank_words", "map_network", "with_room"]

Made = TypeVar("Made")


def map_network(
    graph: IntegerGraph,
    spec: MachineSpec,
    *,
    trace: bool = False,
    macro: Mapping[str, MacroLayer] | None = None,
) -> MappedNetwork:
    """Map a network to a machine.

    Parameters
    ----------
    trace : bool
        Also store every intermediate tensor to window 3.
    macro : dict of node name to MacroLayer, optional
        Layers with static weights, on a machine with a macro.

    Raises
    ------
    MappingError
        If a tensor does not fit the scratchpad or a layer not the weight store; says what would do.
    """
    layers = macro or {}

    def attempt(allocator: Allocator) -> MappedNetwork:
        return Mapper(graph, spec, layers, trace, allocator=allocator).run()

    try:
        return _placed(spec, attempt, lambda: _lives(graph, spec, layers, trace))
    except MappingError as error:
        raise _with_way_out(error, graph, spec) from None


def check_mapping(graph: IntegerGraph, spec: MachineSpec) -> None:
    """See that a network can be mapped to a machine without a macro.

    It is the mapping itself: all its steps but the packing of weights, which cannot fail.

    Raises
    ------
    MappingError
        As :func:`map_network`.
    """
    try:
        _check(graph, spec)
    except MappingError as error:
        raise _with_way_out(error, graph, spec) from None


def with_room(graph: IntegerGraph, spec: MachineSpec) -> MachineSpec:
    """The machine, with larger memories where those it has are too small for the network.

    Raises
    ------
    MappingError
        If no memories would do.
    """
    while True:
        try:
            _check(graph, spec)
            return spec
        except MappingError as error:
            if not error.needs:
                raise
            try:
                spec = replace(spec, **dict[str, Any](error.needs))
            except ValueError as wrong:
                raise MappingError(f"{error}; no machine has so much: {wrong}") from None


def least_bank_words(graph: IntegerGraph, spec: MachineSpec) -> int | None:
    """Words of a bank that a network's tensors need, no fewer than the machine has.

    None if no scratchpad has as many.

    Raises
    ------
    MappingError
        If the network is refused for another reason.
    """
    lives = _lives(graph, spec, {}, False)
    while not placeable(lives, spec):
        try:
            spec = replace(spec, bank_words=2 * spec.bank_words)
        except ValueError:
            return None
    return spec.bank_words


def _check(graph: IntegerGraph, spec: MachineSpec) -> None:
    def attempt(allocator: Allocator) -> object:
        return Mapper(graph, spec, {}, False, allocator=allocator, packs=False).map()

    _placed(spec, attempt, lambda: _lives(graph, spec, {}, False))


def _placed(
    spec: MachineSpec, attempt: Callable[[Allocator], Made], lives: Callable[[], list[Life]]
) -> Made:
    """The first attempt that succeeds: tensors used together apart; in order; all planned."""
    try:
        return attempt(Allocator(spec, spread=True))
    except MappingError as error:
        if "bank_words" not in error.needs:
            raise
    try:
        return attempt(Allocator(spec, spread=False))
    except MappingError as error:
        if "bank_words" not in error.needs:
            raise
        first = error
    try:
        plan = packed(lives(), spec.scratchpad_words)
    except MappingError:
        # A later layer is refused for another reason: one thing at a time.
        plan = None
    if plan is None:
        raise first
    return attempt(Planned(spec, plan))


def _lives(
    graph: IntegerGraph, spec: MachineSpec, macro: Mapping[str, MacroLayer], trace: bool
) -> list[Life]:
    recorder = Recorder(spec)
    Mapper(graph, spec, macro, trace, allocator=recorder, silent=True).map()
    return recorder.found()


def _with_way_out(error: MappingError, graph: IntegerGraph, spec: MachineSpec) -> MappingError:
    """The same error, with the memories that would do."""
    if not error.needs or spec.macro is not None:
        return error
    try:
        enough = with_room(graph, spec)
    except MappingError as other:
        if str(other).startswith(str(error)):
            return other
        return MappingError(f"{error}; with larger memories {other}")
    grown = (name for name in ("depth", "bank_words", "param_entries")
             if getattr(enough, name) != getattr(spec, name))  # fmt: skip
    said = " and ".join(f"{name} = {getattr(enough, name)}" for name in grown)
    return MappingError(f"{error}; a machine with {said} would do")
