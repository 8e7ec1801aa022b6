"""Maps a network to a machine, or tells the memory sizes with which it would fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from flows.mapper.macro_layer import MacroLayer
from flows.mapper.mapped import MappedLayer, MappedNetwork
from flows.mapper.mapping import Mapper
from flows.mapper.packing import Life, Planned, Recorder, arranged, packed, placeable
from flows.mapper.place import Allocator, MappingError
from flows.mapper.spill import Spilling, choices
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph
from models.program.descriptor import Descriptor

__all__ = [
    "check_mapping", "least_bank_words", "map_network", "map_program", "refusal", "with_room",
]  # fmt: skip

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
        If a tensor does not fit the scratchpad, or a layer the weight store; the message gives the
        memory sizes that would do.
    """
    layers = macro or {}

    def attempt(allocator: Allocator, spilling: Spilling | None) -> MappedNetwork:
        mapper = Mapper(graph, spec, layers, trace, allocator=allocator, spilling=spilling)
        return mapper.run()

    try:
        return _placed(graph, spec, layers, trace, attempt)
    except MappingError as error:
        raise _with_way_out(error, graph, spec) from None


def map_program(
    graph: IntegerGraph, spec: MachineSpec
) -> tuple[list[Descriptor], tuple[MappedLayer, ...]]:
    """Map a network to a machine without a macro, but pack no weights.

    Returns
    -------
    The program's descriptors, whose offsets in window 0 are none, and its layers.

    Raises
    ------
    MappingError
        As :func:`map_network`.
    """
    try:
        mapper = _planned(graph, spec)
    except MappingError as error:
        raise _with_way_out(error, graph, spec) from None
    return mapper.out.descriptors, tuple(mapper.layers)


def check_mapping(graph: IntegerGraph, spec: MachineSpec) -> None:
    """Check that a network can be mapped to a machine without a macro.

    Runs all steps of the mapping except the packing of weights, which cannot fail.

    Raises
    ------
    MappingError
        As :func:`map_network`.
    """
    try:
        _planned(graph, spec)
    except MappingError as error:
        raise _with_way_out(error, graph, spec) from None


def refusal(graph: IntegerGraph, spec: MachineSpec) -> str | None:
    """The reason why a network cannot be mapped to a machine; None if it can."""
    try:
        check_mapping(graph, spec)
    except MappingError as error:
        return str(error)
    return None


def with_room(graph: IntegerGraph, spec: MachineSpec) -> MachineSpec:
    """Return the machine with its memories enlarged as far as the network needs.

    Raises
    ------
    MappingError
        If no memory sizes would do.
    """
    while True:
        try:
            _planned(graph, spec)
            return spec
        except MappingError as error:
            if not error.needs:
                raise
            try:
                spec = replace(spec, **dict[str, Any](error.needs))
            except ValueError as wrong:
                raise MappingError(f"{error}; no machine is large enough: {wrong}") from None


def least_bank_words(graph: IntegerGraph, spec: MachineSpec) -> int | None:
    """Return the words per bank that a network's tensors need, at least those of the machine.

    None if they do not fit the largest scratchpad.

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


def _planned(graph: IntegerGraph, spec: MachineSpec) -> Mapper:
    """Return the mapper that has mapped a network, but packed no weights."""

    def attempt(allocator: Allocator, spilling: Spilling | None) -> Mapper:
        mapper = Mapper(graph, spec, {}, False, allocator=allocator, packs=False, spilling=spilling)
        mapper.map()
        return mapper

    return _placed(graph, spec, {}, False, attempt)


def _placed(
    graph: IntegerGraph,
    spec: MachineSpec,
    macro: Mapping[str, MacroLayer],
    trace: bool,
    attempt: Callable[[Allocator, Spilling | None], Made],
) -> Made:
    """Return the first successful attempt of three allocators, then of tensors in memory.

    The allocators spread tensors over the banks, place them first-fit in order, and plan all of
    them at once.
    """
    try:
        return attempt(Allocator(spec, spread=True), None)
    except MappingError as error:
        if "bank_words" not in error.needs:
            raise
    try:
        return attempt(Allocator(spec, spread=False), None)
    except MappingError as error:
        if "bank_words" not in error.needs:
            raise
        first = error
    try:
        plan = packed(_lives(graph, spec, macro, trace), spec.scratchpad_words)
    except MappingError as later:
        # Tensors may live in memory, but not what a later layer lacks: that is the reason.
        raise (first if spec.macro is not None else later) from None
    if plan is not None:
        return attempt(Planned(spec, plan), None)
    if spec.macro is not None:
        raise first

    def measure(spilling: Spilling) -> None:
        _lives(graph, spec, macro, trace, spilling)

    for spilling in choices(graph, spec, measure):
        allocator = arranged(_lives(graph, spec, macro, trace, spilling), spec)
        if allocator is not None:
            return attempt(allocator, spilling)
    raise first


def _lives(
    graph: IntegerGraph,
    spec: MachineSpec,
    macro: Mapping[str, MacroLayer],
    trace: bool,
    spilling: Spilling | None = None,
) -> list[Life]:
    recorder = Recorder(spec)
    Mapper(graph, spec, macro, trace, allocator=recorder, silent=True, spilling=spilling).map()
    return recorder.found()


def _with_way_out(error: MappingError, graph: IntegerGraph, spec: MachineSpec) -> MappingError:
    """Append to an error the memory sizes that would do."""
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
