"""Imports quantised ONNX networks: QDQ files of the usual tools to integer graphs."""

from __future__ import annotations

from os import PathLike

from flows.onnx_import.importer import SUPPORTED, walk
from flows.onnx_import.integer_graph import build_graph
from flows.onnx_import.layer_norm_pattern import fuse
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.reader import OnnxNetwork, read_network
from models.network.flattened import flattened
from models.network.graph import IntegerGraph

__all__ = ["SUPPORTED", "NetworkError", "import_network", "load_network"]


def load_network(path: str | PathLike[str]) -> IntegerGraph:
    """Read a quantised ONNX file as an integer graph.

    Parameters
    ----------
    path
        An ONNX file in QDQ form, operator set 13 or newer (older ones are converted), one image
        at a time (a dynamic batch axis is taken as 1).

    Raises
    ------
    NetworkError
        If the file cannot be imported; the message is one line with the node, its problem and what
        is supported.
    """
    return import_network(read_network(path))


def import_network(network: OnnxNetwork) -> IntegerGraph:
    """Convert a network that has been read to an integer graph.

    Raises
    ------
    NetworkError
        See :func:`load_network`.
    """
    fused = fuse(network)
    output, holds = walk(fused)
    return flattened(build_graph(output, fused.name, holds))
