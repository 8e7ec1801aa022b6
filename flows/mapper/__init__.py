"""Mapping: integer graph to program and memory image for one machine."""

from flows.mapper.mapped import MappedLayer, MappedNetwork
from flows.mapper.mapping import map_network
from flows.mapper.place import MappingError

__all__ = ["MappedLayer", "MappedNetwork", "MappingError", "map_network"]
