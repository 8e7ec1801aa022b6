"""Whether, and how, a network maps to a machine; and what a machine would need that it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flows.mapper.macro_layer import MacroLayer
from flows.mapper.mapped import MappedNetwork
from flows.mapper.mapping import Mapper
from flows.mapper.place import MappingError
from models.graph import IntegerGraph
from models.machine_spec import MachineSpec

__all__ = ["check_mapping", "map_network", "with_room"]


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
    try:
        return Mapper(graph, spec, layers, trace, spread=True).run()
    except MappingError:
        pass
    try:
        return Mapper(graph, spec, layers, trace, spread=False).run()
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


def _check(graph: IntegerGraph, spec: MachineSpec) -> None:
    try:
        Mapper(graph, spec, {}, False, spread=True, packs=False).map()
    except MappingError:
        Mapper(graph, spec, {}, False, spread=False, packs=False).map()


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
