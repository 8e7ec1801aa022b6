"""Networks of estimates: a network file, or a named workload."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import UserError
from flows.estimate.cycles.machine_layer import Layer
from flows.estimate.cycles.network_formats import in_formats
from flows.estimate.cycles.workload_graph import workload_graph
from flows.estimate.cycles.workload_layers import workload_layers
from flows.machine.needs import Needs, graph_needs
from flows.mapper import MappingError, refusal, with_room
from flows.work.files import check_readable
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph
from models.network.workloads import WORKLOADS, find_workload

if TYPE_CHECKING:
    from flows.estimate.cycles.mapped_program import MappedProgram

__all__ = ["Network", "find_network"]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network to estimate.

    Attributes
    ----------
    source : what the user named
    layers : layers of the cycle model
    graph : graph for the mapper
    of_file : whether number formats are the file's; else they are the machine's
    assumptions : assumptions of the estimate, besides those of the machine's model
    program : what it was mapped to, if some of its layers are made in strips or in parts
    """

    name: str
    source: str
    layers: tuple[Layer, ...]
    graph: IntegerGraph = field(repr=False, compare=False)
    of_file: bool = True
    assumptions: tuple[str, ...] = ()
    program: MappedProgram | None = field(default=None, repr=False, compare=False)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image."""
        return sum(layer.macs for layer in self.layers)

    def refusal(self, spec: MachineSpec) -> str | None:
        """The mapper's reason why the network does not map to a machine; None if it does."""
        graph = self.graph if self.of_file else in_formats(self.graph, spec)
        return refusal(graph, spec)

    @cached_property
    def needs(self) -> Needs:
        """What it needs of a machine, in the file's number formats or in the machine's."""
        if self.of_file:
            return graph_needs(self.source, self.graph)
        return Needs(name=self.source, refusal=cache(self.refusal), enlarged=self.with_room)

    def on(self, spec: MachineSpec) -> Network:
        """The network as it is mapped to a machine.

        Raises
        ------
        UserError
            If it does not map.
        """
        from flows.estimate.cycles.graph_layers import mapped_layers
        from flows.estimate.cycles.mapped_program import MappedProgram
        from flows.mapper import map_network

        layers = self.layers
        try:
            if self.of_file:
                mapped = map_network(self.graph, spec)
                layers = tuple(mapped_layers(self.graph, mapped))
                program = MappedProgram.of(mapped)
            else:
                program = MappedProgram.planned(in_formats(self.graph, spec), spec)
        except MappingError as error:
            raise UserError(f"{self.source}: {error}") from None
        return replace(self, layers=layers, program=None if program.plain else program)

    def with_room(self, spec: MachineSpec) -> MachineSpec:
        """The machine with memories as large as the mapper needs, in the machine's formats.

        Raises
        ------
        MappingError
            If no memories would do.
        """
        return with_room(in_formats(self.graph, spec), spec)


def find_network(text: str, spec: MachineSpec | None = None) -> Network:
    """A named workload, or the network of a file.

    Parameters
    ----------
    spec : MachineSpec, optional
        The only machine of the estimate: the network is mapped to it, which also shows whether
        it fits.

    Raises
    ------
    UserError
        If the text names neither, or the network cannot be imported or mapped.
    """
    network = _found(text)
    return network if spec is None else network.on(spec)


def _found(text: str) -> Network:
    if text in WORKLOADS:
        return _workload(text)
    path = Path(text)
    if not path.exists() and path.suffix != ".onnx":
        try:
            find_workload(text)
        except ValueError as error:
            raise UserError(str(error)) from None
    return _file(path)


def _file(path: Path) -> Network:
    from flows.estimate.cycles.graph_layers import graph_layers
    from flows.onnx_import import NetworkError, load_network

    check_readable(path)
    try:
        graph = load_network(path)
    except NetworkError as error:
        raise UserError(f"{path}: {error}") from None
    layers = tuple(graph_layers(graph))
    return Network(name=path.stem, source=str(path), layers=layers, graph=graph)


def _workload(name: str) -> Network:
    workload = find_workload(name)
    assumptions = ["rows of weights are in the ratio of the machine's row classes"]
    return Network(
        name=name,
        source=name,
        layers=tuple(workload_layers(workload.layers)),
        graph=workload_graph(name, workload.layers),
        of_file=False,
        assumptions=tuple(assumptions),
    )
