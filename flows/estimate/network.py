"""What an estimate is made for: a network file, or a named workload."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flows.errors import UserError
from flows.estimate.layers import Layer
from flows.estimate.workload_layers import workload_layers
from flows.files import check_readable
from models.machine_spec import MachineSpec
from models.workloads import WORKLOADS, find_workload

__all__ = ["Network", "find_network"]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network to estimate.

    Attributes
    ----------
    assumptions : what the estimate takes for granted beyond the machine's own model
    """

    name: str
    layers: tuple[Layer, ...]
    assumptions: tuple[str, ...] = ()

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image."""
        return sum(layer.macs for layer in self.layers)


def find_network(text: str, spec: MachineSpec | None = None) -> Network:
    """A named workload, or the network of a file.

    Parameters
    ----------
    spec : MachineSpec, optional
        The one machine of interest: a file is then mapped to it, which also finds out whether it
        fits.

    Raises
    ------
    UserError
        If it is neither, or the file's network cannot be imported or mapped.
    """
    if text in WORKLOADS:
        return _workload(text)
    path = Path(text)
    if not path.exists() and path.suffix != ".onnx":
        try:
            find_workload(text)
        except ValueError as error:
            raise UserError(str(error)) from None
    return _file(path, spec)


def _file(path: Path, spec: MachineSpec | None) -> Network:
    from flows.estimate.graph_layers import graph_layers, mapped_layers
    from flows.mapper import MappingError, map_network
    from flows.onnx_import import NetworkError, load_network

    check_readable(path)
    try:
        graph = load_network(path)
        if spec is None:
            return Network(name=path.stem, layers=tuple(graph_layers(graph)))
        layers = mapped_layers(graph, map_network(graph, spec))
    except (NetworkError, MappingError) as error:
        raise UserError(f"{path}: {error}") from None
    return Network(name=path.stem, layers=tuple(layers))


def _workload(name: str) -> Network:
    workload = find_workload(name)
    assumptions = ["rows of weights are in the ratio of the machine's row classes"]
    if any(x.groups > 1 and x.weighted for x in workload.layers):
        assumptions.append("grouped convolutions run as dense ones, filled up with zeros")
    return Network(
        name=name, layers=tuple(workload_layers(workload.layers)), assumptions=tuple(assumptions)
    )
